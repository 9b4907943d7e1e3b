//! Asks the servers under test what they are: one line each, `name<TAB>what it says`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use accrue_testkit::versions::{mongodb_version, postgres_version, rabbitmq_version};

/// A server that takes longer is not there.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    let mut all_answered = true;
    for (name, variable) in [
        ("mongodb", "ACCRUE_TEST_MONGODB_URL"),
        ("postgres", "ACCRUE_TEST_POSTGRES_URL"),
        ("rabbitmq", "ACCRUE_TEST_RABBITMQ_URL"),
    ] {
        let Some(url) = env::var(variable).ok().filter(|url| !url.is_empty()) else { continue };
        let asked = async {
            match name {
                "mongodb" => mongodb_version(&url).await,
                "postgres" => postgres_version(&url).await,
                _ => rabbitmq_version(&url).await,
            }
        };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(told)) => println!("{name}\t{told}"),
            Ok(Err(error)) => {
                eprintln!("{name}: the server of {variable} does not do: {error}");
                all_answered = false;
            }
            Err(_) => {
                eprintln!("{name}: the server of {variable} does not answer within {} s", LIMIT.as_secs());
                all_answered = false;
            }
        }
    }
    if all_answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
