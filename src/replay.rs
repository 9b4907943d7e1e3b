//! `accrue replay`: auth publishes the present state of users once more.

use std::process::ExitCode;
use std::time::Duration;

use accrue_auth::replaying::{Replayed, replay};
use accrue_chassis::clock::to_millis;
use accrue_chassis::pace::Pace;
use anyhow::Context as _;
use clap::{ArgGroup, Args};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::sleep;

use crate::admin::{Opened, StoreArgs};
use crate::progress::Progress;

/// What an exit code says besides 0, all of them wait in the outbox or were published.
const NOT_ALL: u8 = 1;
const BAD_SETTINGS: u8 = 2;
const UNREACHED: u8 = 3;
/// Users of one page.
const PAGE: u32 = 500;
/// Between two looks at what still waits.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).args(["all", "since", "user"])))]
pub(crate) struct ReplayArgs {
    /// Everybody, those who were deleted too
    #[arg(long)]
    all: bool,
    /// Those who registered or changed at this instant or later, such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<OffsetDateTime>,
    /// This user; the flag again for more
    #[arg(long, value_name = "ID")]
    user: Vec<String>,
    /// Go on after this user, where a replay of many was broken off
    #[arg(long, value_name = "ID", conflicts_with = "user")]
    after: Option<String>,
    /// How many users a second at most, so that what others do is published in between
    #[arg(long, default_value_t = 500, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Wait until everything in the outbox is published
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    store: StoreArgs,
}

fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "a time is written 2026-01-02T03:04:05Z".to_owned())
}

pub(crate) async fn run(args: ReplayArgs) -> ExitCode {
    let ReplayArgs { all: _, since, user, after, rate, wait, store } = args;
    let opened = match store.open().await {
        Ok(opened) => opened,
        Err(error) => return fail(&error, BAD_SETTINGS),
    };
    let mut replaying = Replaying::new(opened, rate);
    let done =
        if user.is_empty() { replaying.many(since, after).await } else { replaying.these(&user).await };
    replaying.progress.clear();
    eprintln!("{} user(s) are in the outbox", replaying.queued);
    if let Err(error) = done {
        return fail(&error, UNREACHED);
    }
    if let Err(error) = replaying.end(wait).await {
        return fail(&error, UNREACHED);
    }
    if replaying.left == 0 { ExitCode::SUCCESS } else { NOT_ALL.into() }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("accrue: {error:#}");
    code.into()
}

/// A replay that is going on.
struct Replaying {
    opened: Opened,
    pace: Pace,
    progress: Progress,
    queued: u64,
    /// Those who are not there, or who are being changed.
    left: u64,
}

impl Replaying {
    fn new(opened: Opened, rate: u32) -> Self {
        Self { opened, pace: Pace::new(Some(rate)), progress: Progress::new(), queued: 0, left: 0 }
    }

    /// All, in the order of their ids, or those who changed since. What it stops at is told.
    async fn many(&mut self, since: Option<OffsetDateTime>, after: Option<String>) -> anyhow::Result<()> {
        let since_ms = since.map_or(i64::MIN, to_millis);
        let mut after = after;
        loop {
            let page = self.opened.store.versions(after.as_deref(), PAGE).await;
            let page = page.with_context(|| broken_off(after.as_deref()))?;
            let page = page.context("--after names no user id of this auth")?;
            let Some(last) = page.last().map(|user| user.user_id.clone()) else { return Ok(()) };
            for user in page.into_iter().filter(|user| user.version >= since_ms) {
                self.one(&user.user_id).await.with_context(|| broken_off(after.as_deref()))?;
                after = Some(user.user_id);
            }
            after = Some(last);
        }
    }

    async fn these(&mut self, user_ids: &[String]) -> anyhow::Result<()> {
        for user_id in user_ids {
            self.one(user_id).await?;
        }
        Ok(())
    }

    async fn one(&mut self, user_id: &str) -> anyhow::Result<()> {
        self.pace.wait().await;
        let now = self.opened.clock.now();
        match replay(&*self.opened.store, (user_id, None), now, None).await? {
            Replayed::Queued => self.queued += 1,
            Replayed::Unknown => self.leave(user_id, "there is no such user"),
            Replayed::Busy => self.leave(user_id, "the user is being changed; try again"),
        }
        let queued = self.queued;
        self.progress.tell(|| format!("{queued} users"));
        Ok(())
    }

    fn leave(&mut self, user_id: &str, why: &str) {
        self.left += 1;
        self.progress.clear();
        eprintln!("{user_id}: {why}");
    }

    /// Waits for relays, if it is to; else says who publishes.
    async fn end(&mut self, wait: bool) -> anyhow::Result<()> {
        if !wait {
            eprintln!("every auth that runs publishes them, within a second or so");
            return Ok(());
        }
        loop {
            let waiting = self.opened.store.backlog().await.context("the outbox cannot be looked at")?;
            if waiting.depth == 0 {
                self.progress.clear();
                eprintln!("all of it is published");
                return Ok(());
            }
            self.progress.tell(|| {
                let age_s = waiting.oldest_age.as_secs();
                format!(
                    "{} wait, the oldest for {age_s} s: is an auth running, and the broker?",
                    waiting.depth
                )
            });
            sleep(PAUSE).await;
        }
    }
}

fn broken_off(after: Option<&str>) -> String {
    match after {
        Some(user_id) => format!("broken off; go on with --after {user_id}"),
        None => "broken off before the first user".to_owned(),
    }
}
