//! The audit: everything that can be derived from the entries is, and compared.
//!
//! Accounts are gone through in the order of their ids, some at a time, each some in one
//! snapshot: beside live load nothing is seen half-way, and no snapshot lives long.

mod anchor;
mod chunk;
mod finding;
mod rows;
mod sums;
mod tally;

use std::io;

pub use self::anchor::{Anchor, Head};
use self::chunk::Chunk;
pub use self::finding::{Finding, Place};
use crate::store::{AuditSource, LAST_USER_ID, Snapshot, StoreError};

/// Accounts that are gone through in one snapshot, at most.
const ACCOUNTS: i64 = 500;
/// And entries, unless one account has more by itself.
const ENTRIES: i64 = 100_000;

/// How far an audit is.
pub struct Progress<'a> {
    /// Accounts that were gone through.
    pub accounts: u64,
    /// Entries that were read.
    pub entries: u64,
    tell: &'a mut (dyn FnMut(u64, u64) + Send),
}

impl<'a> Progress<'a> {
    /// Tells `tell` of the accounts and entries so far, again and again.
    pub fn new(tell: &'a mut (dyn FnMut(u64, u64) + Send)) -> Self {
        Self { accounts: 0, entries: 0, tell }
    }

    fn entries(&mut self, count: usize) {
        self.entries += count as u64;
        (self.tell)(self.accounts, self.entries);
    }
}

/// Why an audit came to no end.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of heads.
    #[error("the anchor cannot be used")]
    Anchor(#[from] io::Error),
}

/// Audits one account, or all of them, and gives `report` what disagrees. Says whether
/// nothing did. `anchor` is for all of them.
///
/// # Errors
/// [`AuditError`]: not everything was looked at.
pub async fn audit(
    source: &dyn AuditSource,
    user_id: Option<&str>,
    mut anchor: Option<&mut Anchor>,
    progress: &mut Progress<'_>,
    report: &mut (dyn FnMut(Finding) + Send),
) -> Result<bool, AuditError> {
    let mut from = user_id.unwrap_or_default().to_owned();
    let end = user_id.unwrap_or(LAST_USER_ID);
    let mut is_clean = true;
    loop {
        let mut snapshot = source.snapshot().await?;
        let (mut chunk, is_last, until) = next(&mut *snapshot, from, end).await?;
        let mut findings = match anchor.as_deref_mut() {
            Some(anchor) => expect_heads(&mut chunk, anchor, &until)?,
            None => Vec::new(),
        };
        findings.extend(chunk.examine(&mut *snapshot, progress).await?);
        for account in &mut chunk.accounts {
            findings.append(&mut account.take_findings());
            if let Some(anchor) = anchor.as_deref_mut() {
                anchor.write(&account.head())?;
            }
        }
        is_clean &= findings.is_empty();
        findings.into_iter().for_each(&mut *report);
        progress.accounts += chunk.accounts.len() as u64;
        progress.entries(0);
        if is_last {
            return Ok(is_clean);
        }
        from = format!("{until}\u{1}");
    }
}

/// The next accounts, whether they are the last, and the last user id that counts to them.
async fn next(
    snapshot: &mut dyn Snapshot,
    from: String,
    end: &str,
) -> Result<(Chunk, bool, String), StoreError> {
    let mut accounts = snapshot.accounts(&from, end, ACCOUNTS).await?;
    let is_end = accounts.len() < usize::try_from(ACCOUNTS).unwrap_or(usize::MAX);
    let mut entries = 0_i64;
    let fits = |stored: &&crate::store::Stored<(), crate::ledger::Account>| {
        entries = entries.saturating_add(stored.row.as_ref().map_or(0, |account| account.last_seq));
        entries <= ENTRIES
    };
    let fitting = accounts.iter().take_while(fits).count().max(1);
    let is_last = is_end && fitting >= accounts.len();
    accounts.truncate(fitting);
    let last = accounts.last().filter(|_| !is_last).map(|stored| stored.user_id.clone());
    let until = last.unwrap_or_else(|| end.to_owned());
    Ok((Chunk::new(accounts, from, until.clone()), is_last, until))
}

/// Gives accounts the heads that were kept of them; what is kept of no account is a finding.
fn expect_heads(chunk: &mut Chunk, anchor: &mut Anchor, until: &str) -> io::Result<Vec<Finding>> {
    let mut heads = Vec::new();
    for account in &mut chunk.accounts {
        heads.append(&mut anchor.until(&account.user_id)?);
        account.anchor = heads.pop_if(|head| head.user_id == account.user_id);
    }
    heads.append(&mut anchor.until(until)?);
    let vanished = |head: Head| {
        let what = format!("the anchor has it with {} entries, and it is not there", head.seq);
        Finding { user_id: head.user_id, place: Place::Account, what }
    };
    Ok(heads.into_iter().map(vanished).collect())
}
