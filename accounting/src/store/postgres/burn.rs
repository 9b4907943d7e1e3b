//! Reading open allocations in the order in which they burn, until there are enough.

use std::collections::BTreeMap;

use accrue_chassis::clock;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use super::rows;
use crate::ledger::{Accounts, Command, Spendable};
use crate::store::{StoreError, named};

/// How many are read at first. Most spends draw on one or two.
const FIRST_LIMIT: i64 = 8;
/// By how much more each time they were too few.
const GROWTH: i64 = 4;

/// What is looked for on one account.
struct Wanted {
    needed: Spendable,
    at: OffsetDateTime,
}

/// Step 3, the last of it, since what was read before says how much is needed.
pub(super) async fn spendable(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for (user_id, commands) in named::by_user(commands) {
        let Some(state) = accounts.get(user_id) else { continue };
        let needed = state.spendable_needed(commands.into_iter());
        if needed.credits > 0 && state.account.available > 0 {
            let at = clock::whole_microseconds(state.account.decision_time(now));
            wanted.insert(user_id.to_owned(), Wanted { needed, at });
        }
    }
    let mut limit = FIRST_LIMIT;
    while !wanted.is_empty() {
        let found = read(connection, accounts, &wanted, limit).await?;
        wanted.retain(|user_id, wanted| {
            let (count, credits) = found.get(user_id).copied().unwrap_or_default();
            count == limit && count < wanted.needed.allocations && credits < wanted.needed.credits
        });
        limit = limit.saturating_mul(GROWTH);
    }
    Ok(())
}

/// Reads the first `limit` of each account. Says how many there were, and with how
/// many credits.
async fn read(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    wanted: &BTreeMap<String, Wanted>,
    limit: i64,
) -> Result<BTreeMap<String, (i64, i64)>, StoreError> {
    // COALESCE keeps the planner from picking rows by their end and sorting them all, as
    // it does while it has no statistics: an account may have very many.
    let rows = sqlx::query(
        "SELECT allocation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS wanted (user_id, at)
         CROSS JOIN LATERAL (
             SELECT * FROM credit_allocations
             WHERE user_id = wanted.user_id AND remaining > 0
                 AND COALESCE(expires_at, 'infinity') > wanted.at
             ORDER BY priority, expires_at, recorded_at, id LIMIT $3
         ) AS allocation",
    )
    .bind(wanted.keys().collect::<Vec<_>>())
    .bind(wanted.values().map(|wanted| wanted.at).collect::<Vec<_>>())
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut found: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in &rows {
        let user_id: String = row.try_get("user_id")?;
        let allocation = rows::allocation(row)?;
        let (count, credits) = found.entry(user_id.clone()).or_default();
        *count += 1;
        *credits += allocation.remaining;
        if let Some(state) = accounts.get_mut(&user_id) {
            state.allocations.hold(allocation);
        }
    }
    Ok(found)
}
