//! The one binary. It serves nothing yet: see the README for what is there.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!("accrue: the services are not built yet; the README's \"State\" tells what is");
    ExitCode::from(2)
}
