//! The link over each of its transports.

mod dial;
mod reconnect;
mod silence;
mod sockets;

mod over_memory {
    use scim_sync_link::{memory, suite::Link};

    async fn pair() -> Link {
        let (agent, service) = memory::pair();
        Link::new(agent, service)
    }

    scim_sync_link::link_suite!(super::pair);
}

mod over_websocket {
    use scim_sync_link::suite::Link;

    async fn pair() -> Link {
        crate::sockets::plain().await
    }

    scim_sync_link::link_suite!(super::pair);
}
