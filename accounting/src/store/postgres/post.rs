//! A batch: its accounts are locked, what it needs of them is read, the core decides, what
//! it decided is written.

use std::collections::BTreeSet;

use accrue_chassis::clock::Clock;
use sqlx::{Connection as _, PgConnection};

use super::load::Locked;
use super::{burn, due, load, outbox, rates, save};
use crate::ledger::{Command, Policies, Rejection, decide_all, events_of};
use crate::store::{Posted, StoreError, named, salt_seed};

/// What is known of the keys of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Each is taken for new, as nearly all are. Where that shows to be wrong, nothing is
    /// written.
    TakenForNew,
    /// Those that were used before are read first.
    Read,
}

/// What came of a batch.
enum Posting {
    Done(Posted),
    /// A key that was taken for new had been used; nothing was written.
    KeyUsed,
    /// Somebody else has made an account that was missing; nothing was written.
    Overtaken,
}

/// How often others may be faster: each time it is with another account.
const OVERTAKEN_TRIES: usize = 8;

/// How often a batch is posted that meets locked accounts: whole, without those that are
/// seen to be locked, and without those besides that somebody may be making.
const LOCKED_TRIES: usize = 3;

/// Posts a batch. Where accounts stay locked by somebody else, what concerns them is set
/// aside and told so, that it may not hold up everybody else's.
pub(super) async fn post(
    connection: &mut PgConnection,
    commands: &[Command],
    policies: Policies,
    clock: &dyn Clock,
) -> Result<Posted, StoreError> {
    match post_all(connection, commands, policies, clock).await {
        Err(StoreError::Locked) => {}
        posted => return posted,
    }
    let user_ids: Vec<&str> = named::user_ids(commands).into_iter().collect();
    let mut busy = BTreeSet::new();
    for tried in 1..LOCKED_TRIES {
        // None, if whoever held one has let go meanwhile: then all are tried again.
        busy.extend(load::locked_by_others(connection, &user_ids).await?);
        if tried > 1 {
            // A row that somebody else has not committed is waited for and not seen.
            let opened: Vec<&str> = named::opened(commands).into_iter().collect();
            busy.extend(load::unseen(connection, &opened).await?);
        }
        let is_free = |command: &&Command| command.user_ids().all(|user_id| !busy.contains(user_id));
        let free: Vec<Command> = commands.iter().filter(is_free).cloned().collect();
        if free.is_empty() {
            break;
        }
        match post_all(connection, &free, policies, clock).await {
            Err(StoreError::Locked) => {}
            posted => {
                let mut posted = posted?.into_iter();
                let each = commands.iter().map(|command| {
                    let decided = if is_free(&command) { posted.next() } else { None };
                    decided.unwrap_or(Err(Rejection::AccountBusy))
                });
                return Ok(each.collect());
            }
        }
    }
    Ok(vec![Err(Rejection::AccountBusy); commands.len()])
}

async fn post_all(
    connection: &mut PgConnection,
    commands: &[Command],
    policies: Policies,
    clock: &dyn Clock,
) -> Result<Posted, StoreError> {
    let mut keys = Keys::TakenForNew;
    for _ in 0..OVERTAKEN_TRIES {
        match post_in(connection, commands, policies, (clock, keys)).await? {
            Posting::Done(posted) => return Ok(posted),
            Posting::Overtaken => {}
            Posting::KeyUsed if keys == Keys::TakenForNew => keys = Keys::Read,
            Posting::KeyUsed => {
                return Err(StoreError::Corrupt("a key was used while its account was locked".to_owned()));
            }
        }
    }
    Err(StoreError::Locked)
}

/// The steps of a batch, in an order in which each is needed: see `load`.
///
/// An account that is not there cannot be locked. It is decided on as one of which nothing is
/// known, and made at the end with all that was decided: whoever makes it first has decided
/// first, and a batch that finds others faster begins anew, with their account locked. Accounts
/// that were there are locked before any is made, and these are made in the order of their ids,
/// so that no two batches wait for each other.
async fn post_in(
    connection: &mut PgConnection,
    commands: &[Command],
    policies: Policies,
    (clock, keys): (&dyn Clock, Keys),
) -> Result<Posting, StoreError> {
    let user_ids: Vec<&str> = named::user_ids(commands).into_iter().collect();
    let mut transaction = connection.begin().await?;
    let Locked { mut accounts, missing, at } = load::lock(&mut transaction, &user_ids).await?;
    let now = clock.agreed(at);
    if keys == Keys::Read {
        load::keys(&mut transaction, &mut accounts, commands.iter()).await?;
    }
    due::due(&mut transaction, &mut accounts, now, named::MOST_DUE).await?;
    load::named(&mut transaction, &mut accounts, commands).await?;
    load::pending(&mut transaction, &mut accounts, commands, now).await?;
    let named = named::allocations(&accounts, commands);
    load::allocations(&mut transaction, &mut accounts, &named).await?;
    rates::load(&mut transaction, &mut accounts, commands, now).await?;
    burn::spendable(&mut transaction, &mut accounts, commands, now).await?;
    let posted = match decide_all(&mut accounts, commands, policies, (now, salt_seed())) {
        Ok(posted) => posted,
        // What was answered before is answered again, whatever has become of the account.
        Err(_) if keys == Keys::TakenForNew => {
            transaction.rollback().await?;
            return Ok(Posting::KeyUsed);
        }
        Err(overdrawn) => return Err(overdrawn.into()),
    };
    if keys == Keys::TakenForNew {
        // What is refused might have been answered before. What is not takes its key below.
        let refused = commands.iter().zip(&posted).filter(|(_, posted)| posted.is_err());
        load::keys(&mut transaction, &mut accounts, refused.map(|(command, _)| command)).await?;
        if accounts.values().any(|state| !state.used_keys.is_empty()) {
            transaction.rollback().await?;
            return Ok(Posting::KeyUsed);
        }
    }
    // Before anything that others could wait for while we wait for them.
    if !save::insert_accounts(&mut transaction, &accounts, &missing, now).await? {
        transaction.rollback().await?;
        return Ok(Posting::Overtaken);
    }
    if !save::save(&mut transaction, &accounts, &missing, now).await? {
        transaction.rollback().await?;
        return Ok(Posting::KeyUsed);
    }
    outbox::insert(&mut transaction, &events_of(&accounts, policies.events), now).await?;
    transaction.commit().await?;
    Ok(Posting::Done(posted))
}
