//! The client against servers and scripts.

mod smoke;
