//! The link over each of its transports.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

mod dial;
mod polls;
mod replicas;
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

mod over_long_poll {
    use scim_sync_link::suite::Link;

    async fn pair() -> Link {
        crate::polls::straight().await
    }

    scim_sync_link::link_suite!(super::pair);
}

/// Some requests never arrive, some are carried out and their answers lost, some are answered by what is in between.
mod over_long_poll_through_trouble {
    use scim_sync_link::suite::Link;

    async fn pair() -> Link {
        crate::polls::through_trouble().await
    }

    // Without those that measure times or count many small pieces.
    scim_sync_link::link_suite! { super::pair;
        answers: [
            each_request_gets_its_own_answer,
            ten_megabytes_go_both_ways,
            headers_and_status_come_as_they_were,
            an_answer_that_breaks_off_is_no_answer,
            a_dropped_request_stops_at_the_agent,
            a_dropped_answer_stops_at_the_agent,
        ]
        lifetimes: [
            a_draining_agent_answers_what_it_has,
            a_stopping_service_lets_requests_finish,
            an_agent_that_dies_loses_its_answer_and_another_takes_the_next,
            a_revoked_agent_is_out_at_once,
        ]
        faults: [
            doubled_messages_are_taken_once,
            reordered_messages_are_put_in_order,
        ]
    }
}

mod over_nats {
    use scim_sync_link::suite::Link;

    async fn pair() -> Link {
        crate::replicas::pair().await
    }

    scim_sync_link::link_suite!(super::pair);
}

/// Agents are connected to one replica and requests are born at another.
mod over_two_replicas {
    use scim_sync_link::suite::{Link, help::REPLICAS};

    async fn pair() -> Link {
        crate::replicas::in_memory().await
    }

    /// Makes a test of each case.
    macro_rules! replicas {
        ($($module:ident: [$($case:ident,)*])*) => {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let two = crate::replicas::two().await;
                    let make = std::sync::Arc::clone(&two.make);
                    let case = async {
                        scim_sync_link::suite::$module::$case(&|| Box::pin(super::pair())).await;
                    };
                    super::REPLICAS.scope(make, case).await;
                })*
            })*
        };
    }

    // Without those that are about the frames of one connection, or ask its hub itself.
    replicas! {
        answers: [
            each_request_gets_its_own_answer,
            ten_megabytes_go_both_ways,
            headers_and_status_come_as_they_were,
            an_empty_answer_is_an_answer,
            a_slow_reader_stops_its_own_answer_only,
            an_answer_that_breaks_off_is_no_answer,
            a_handler_that_panics_refuses_its_request_only,
            a_request_that_is_too_large_is_not_sent,
            an_answer_above_the_limit_of_its_reader_is_too_large,
            the_deadline_is_kept_and_the_agent_stops,
            a_gap_in_an_answer_is_bounded,
            the_whole_answer_may_be_bounded,
            a_dropped_request_stops_at_the_agent,
            a_dropped_answer_stops_at_the_agent,
        ]
        groups: [
            agents_of_a_group_take_turns,
            the_one_with_room_gets_the_next_request,
        ]
        lifetimes: [
            a_draining_agent_answers_what_it_has,
            a_stopping_service_lets_requests_finish,
            an_agent_that_dies_loses_its_answer_and_another_takes_the_next,
            a_link_ends_with_its_credential,
            a_renewed_credential_keeps_the_link,
            a_newer_connection_replaces_the_older,
        ]
    }
}
