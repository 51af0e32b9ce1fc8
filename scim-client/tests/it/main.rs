//! The client against servers and scripts.

mod process;
mod real;
mod smoke;
