#![doc = include_str!("../README.md")]

mod address;
mod failure;
mod migrate;
mod pool;
mod tls;

pub use address::{Address, AddressError};
pub use failure::{Failure, failure, pool_failure, told};
pub use migrate::{MigrateError, Tables, migrate, tables};
pub use pool::{OpenError, Options, pool};
