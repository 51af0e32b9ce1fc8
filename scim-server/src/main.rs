//! The scim-server program.

use std::process::ExitCode;

fn main() -> ExitCode {
    scim_server::run::main()
}
