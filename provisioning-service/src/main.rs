//! The program `provisioning-service`.

use std::process::ExitCode;

fn main() -> ExitCode {
    scim_provisioning_service::run::main()
}
