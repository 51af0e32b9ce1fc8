//! Staging, on the memory store.
