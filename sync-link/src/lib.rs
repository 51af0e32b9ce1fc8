//! The outbound-only link between a provisioning service and its agents.

pub mod gateway;
