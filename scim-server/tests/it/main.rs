//! Integration tests: the router in memory, and where it matters the real program over a socket.

mod harness;
