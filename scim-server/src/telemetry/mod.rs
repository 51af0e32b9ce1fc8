//! What the program tells about itself while it runs.

mod logs;

pub use logs::{check_filter, init};
