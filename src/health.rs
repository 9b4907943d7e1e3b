//! `accrue health`: whether a service is ready, for containers without curl.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::HealthArgs;

const LIMIT: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::builder().timeout(LIMIT).build().context("no HTTP client")?;
    let response =
        client.get(args.url.clone()).send().await.with_context(|| format!("{} does not answer", args.url))?;
    let status = response.status();
    println!("{}", response.text().await.unwrap_or_default());
    Ok(if status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
