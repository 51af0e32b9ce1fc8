#![doc = include_str!("../README.md")]

mod agent;
mod body;
mod connection;
mod credit;
mod error;
pub mod frame;
pub mod gateway;
mod hub;
pub mod long_poll;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
mod outbox;
mod pump;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod websocket;

pub use agent::{Agent, AgentOptions, Control, Handler, RequestContext};
pub use body::{Body, HandlerError};
pub use connection::{Connection, Timing, TransportError};
pub use error::{EndCode, Ended, LinkError};
pub use hub::{
    AgentIdentity, AgentStatus, Answer, Backplane, Credentials, GroupKey, Hub, HubOptions,
    RequestOptions,
};
