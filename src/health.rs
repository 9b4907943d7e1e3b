//! `accrue health`: whether a service is ready, for containers without curl.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use url::Url;

use crate::cli::HealthArgs;

const LIMIT: Duration = Duration::from_secs(5);

/// Where the services are unless told otherwise.
const USUAL: [&str; 2] = ["http://127.0.0.1:8001", "http://127.0.0.1:8002"];
/// What is asked for where an address says nothing of it.
const READY: &str = "/healthz/ready";

pub(crate) async fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::builder().timeout(LIMIT).build().context("no HTTP client")?;
    let is_ready = if args.url.is_empty() {
        let mut answers = Vec::new();
        for url in USUAL {
            answers.extend(ask(&client, Url::parse(url)?).await.ok());
        }
        anyhow::ensure!(!answers.is_empty(), "neither service answers on this machine");
        answers.iter().all(|is_ready| *is_ready)
    } else {
        let mut is_ready = true;
        for url in args.url {
            is_ready &= ask(&client, url).await?;
        }
        is_ready
    };
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks one, and prints what it says.
async fn ask(client: &reqwest::Client, mut url: Url) -> anyhow::Result<bool> {
    if url.path() == "/" {
        url.set_path(READY);
    }
    // Not by its URL, which may hold a password; reqwest's own text leaves that out.
    let response = client.get(url).send().await.context("the service does not answer")?;
    let is_ready = response.status().is_success();
    drop(writeln!(std::io::stdout(), "{}", response.text().await.unwrap_or_default()));
    Ok(is_ready)
}
