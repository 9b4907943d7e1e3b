//! One look over everybody: candidates are looked at again by id, told of, and repaired.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_events::user::VERSION_LIMIT;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::args::Manner;
use super::finding::{Finding, Pair, Repair, old};
use super::merge::Merge;
use super::services::Services;
use super::tally::Tally;
use crate::progress::Progress;

/// Candidates that are held at most, and users in one request for a replay.
const CHUNK: usize = 500;
/// Users looked at again side by side.
const SIDE_BY_SIDE: usize = 8;
/// For how long what was repaired is waited for: an event takes its way.
const REPAIR_LIMIT: Duration = Duration::from_secs(30);
/// How often those are waited for at most who change again while they are looked at.
const WAITS: usize = 3;
/// Between two looks at what was repaired.
const REPAIR_PAUSE: Duration = Duration::from_millis(500);

/// A look that is going on.
pub(super) struct Look<'a> {
    services: &'a Services,
    manner: Manner,
    tally: Tally,
    progress: Progress,
}

impl<'a> Look<'a> {
    pub(super) fn new(services: &'a Services, manner: Manner) -> Self {
        Self { services, manner, tally: Tally::default(), progress: Progress::new() }
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally
    }

    /// Looks at everybody, in constant memory.
    pub(super) async fn at_all(&mut self) -> anyhow::Result<()> {
        let mut merge = Merge::new(self.services);
        let mut candidates: Vec<Pair> = Vec::new();
        while let Some(pair) = merge.next().await? {
            let (users, accounts) = merge.read();
            (self.tally.users, self.tally.accounts) = (users, accounts);
            self.progress.tell(|| format!("{users} users, {accounts} accounts"));
            if pair.judge(self.old()).is_some() {
                candidates.push(pair);
            }
            if candidates.len() == CHUNK {
                self.settle(std::mem::take(&mut candidates)).await?;
            }
        }
        self.settle(candidates).await
    }

    fn old(&self) -> time::OffsetDateTime {
        old(SystemClock.now(), self.manner.placeholder_age)
    }

    /// Looks at candidates again, tells of those that are still at odds, and repairs them.
    async fn settle(&mut self, candidates: Vec<Pair>) -> anyhow::Result<()> {
        if candidates.is_empty() {
            return Ok(());
        }
        let findings = self.still(candidates).await?;
        self.progress.clear();
        for finding in &findings {
            self.tally.found(finding.kind);
            drop(writeln!(std::io::stdout(), "{finding}"));
        }
        if self.manner.repairs { self.repair(findings).await } else { Ok(()) }
    }

    /// Those that are at odds once what they are at odds by had the time to arrive. Who changed
    /// once more meanwhile has that time again, but not for ever.
    async fn still(&self, candidates: Vec<Pair>) -> anyhow::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut open = candidates;
        for waited in 1..=WAITS {
            tokio::time::sleep(self.time_to_arrive(&open)).await;
            let again = self.again(open.iter().map(|pair| pair.user_id.as_str())).await?;
            let is_told = |finding: &Finding| {
                waited == WAITS || self.time_to_arrive(std::slice::from_ref(&finding.pair)).is_zero()
            };
            let (told, changed): (Vec<_>, Vec<_>) = again.into_iter().partition(is_told);
            findings.extend(told);
            open = changed.into_iter().map(|finding| finding.pair).collect();
            if open.is_empty() {
                break;
            }
        }
        Ok(findings)
    }

    /// How long the youngest change among them may still be on its way.
    fn time_to_arrive(&self, candidates: &[Pair]) -> Duration {
        let now = SystemClock.now();
        let waits = candidates.iter().filter_map(Pair::changed_at).map(|at| {
            let age = Duration::try_from(now - at).unwrap_or_default();
            self.manner.grace.saturating_sub(age)
        });
        waits.max().unwrap_or_default()
    }

    /// What is at odds now of these users.
    async fn again(&self, user_ids: impl Iterator<Item = &str>) -> anyhow::Result<Vec<Finding>> {
        let before = self.old();
        let looks = user_ids.map(|user_id| self.pair(user_id.to_owned()));
        let pairs: Vec<Pair> = stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await?;
        let judged = pairs.into_iter().filter_map(|pair| Some(Finding { kind: pair.judge(before)?, pair }));
        Ok(judged.collect())
    }

    /// The account first: a user who registers in between is then the newer side, and no
    /// account seems to be of nobody.
    async fn pair(&self, user_id: String) -> anyhow::Result<Pair> {
        let account = self.services.account(&user_id).await?;
        let user = self.services.user(&user_id).await?;
        Ok(Pair { user_id, user, account })
    }

    /// Asks for every repair, and waits for what it brings about.
    async fn repair(&mut self, findings: Vec<Finding>) -> anyhow::Result<()> {
        let mut waited_for: BTreeMap<String, Finding> = BTreeMap::new();
        let mut replays = Vec::new();
        for finding in findings {
            let user_id = finding.pair.user_id.clone();
            let asked = match finding.repair() {
                Repair::None => {
                    self.tally.left += 1;
                    continue;
                }
                // One that auth would refuse takes those beside it along.
                Repair::Replay { above: Some(above) } if above >= VERSION_LIMIT - 1 => Err(anyhow::anyhow!(
                    "no version can follow the one that accounting knows, which no event of auth's had"
                )),
                Repair::Replay { above } => {
                    replays.push((user_id.clone(), above));
                    Ok(())
                }
                Repair::Orphan { user_version } => self.services.orphan(&user_id, user_version).await,
                Repair::Erase => self.services.erase(&user_id).await,
            };
            match asked {
                Ok(()) => drop(waited_for.insert(user_id, finding)),
                Err(error) => self.not_repaired(&user_id, &error),
            }
        }
        let replays: Vec<(&str, Option<i64>)> =
            replays.iter().map(|(user_id, above)| (user_id.as_str(), *above)).collect();
        if !replays.is_empty()
            && let Err(error) = self.services.replay(&replays).await
        {
            for (user_id, _) in replays {
                waited_for.remove(user_id);
                self.not_repaired(user_id, &error);
            }
        }
        self.wait_for(waited_for).await
    }

    /// Looks at what was repaired until it agrees, or for long enough.
    async fn wait_for(&mut self, mut open: BTreeMap<String, Finding>) -> anyhow::Result<()> {
        let until = Instant::now() + REPAIR_LIMIT;
        let asked = open.len() as u64;
        while !open.is_empty() && Instant::now() < until {
            tokio::time::sleep(REPAIR_PAUSE).await;
            let still = self.again(open.keys().map(String::as_str)).await?;
            open = still.into_iter().map(|finding| (finding.pair.user_id.clone(), finding)).collect();
        }
        self.tally.repaired += asked - open.len() as u64;
        for user_id in open.keys() {
            self.not_repaired(user_id, &anyhow::anyhow!("what was asked for has not come about yet"));
        }
        Ok(())
    }

    fn not_repaired(&mut self, user_id: &str, error: &anyhow::Error) {
        self.tally.left += 1;
        if self.manner.is_repeated {
            tracing::warn!(user_id, error = format!("{error:#}"), "a user is not repaired");
            return;
        }
        self.progress.clear();
        eprintln!("{user_id} is not repaired: {error:#}");
    }
}
