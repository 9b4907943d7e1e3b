//! PostgreSQL rows as the ledger's types.

use serde_json::Value;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use crate::ledger::chain::Seal;
use crate::ledger::{
    Account, AccountStatus, Allocation, Entry, EntryKind, IdempotencyKey, KeyRecord, Pricing, Reservation,
    ReservationStatus, Share, Usage, Welcome,
};
use crate::rates::{RateCard, RateVersion, Units};
use crate::store::StoreError;

/// The word in `column` as the enum that `parse` knows.
fn word<T>(row: &PgRow, column: &str, parse: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    let word: &str = row.try_get(column)?;
    parse(word).ok_or_else(|| StoreError::Corrupt(format!("the {column} \"{word}\" is unknown")))
}

/// What kind of entries a row is about.
pub(super) fn kind(row: &PgRow) -> Result<EntryKind, StoreError> {
    word(row, "kind", EntryKind::from_word)
}

/// A sum, which may pass 2^63 and comes as text. Of no rows it is 0.
pub(super) fn sum(row: &PgRow, column: &str) -> Result<i128, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    let sum = text.map_or(Ok(0), str::parse);
    sum.map_err(|_| StoreError::Corrupt(format!("{column} is no whole number")))
}

pub(super) fn account(row: &PgRow) -> Result<Account, StoreError> {
    Ok(Account {
        user_id: row.try_get("user_id")?,
        status: word(row, "status", AccountStatus::from_word)?,
        user_version: row.try_get("user_version")?,
        email: row.try_get("email")?,
        username: row.try_get("username")?,
        display_name: row.try_get("display_name")?,
        available: row.try_get("available")?,
        reserved: row.try_get("reserved")?,
        last_seq: row.try_get("last_seq")?,
        last_entry_at: row.try_get("last_entry_at")?,
        pending: row.try_get("pending")?,
        next_due_at: row.try_get("next_due_at")?,
        welcome: word(row, "welcome", Welcome::from_word)?,
        chain_head: fixed(row, "chain_head")?,
    })
}

pub(super) fn allocation(row: &PgRow) -> Result<Allocation, StoreError> {
    Ok(Allocation {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        remaining: row.try_get("remaining")?,
        reserved: row.try_get("reserved")?,
        priority: row.try_get("priority")?,
        effective_at: row.try_get("effective_at")?,
        is_pending: row.try_get("is_pending")?,
        expires_at: row.try_get("expires_at")?,
        is_voided: row.try_get("is_voided")?,
        reason: row.try_get("reason")?,
        metadata: row.try_get::<Option<Value>, _>("metadata")?,
        actor: row.try_get("actor")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}

/// An entry that carries no seal, or whose seal does not matter.
pub(super) fn unsealed_entry(row: &PgRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        seq: row.try_get("seq")?,
        kind: word(row, "kind", EntryKind::from_word)?,
        credits: row.try_get("credits")?,
        balance_after: row.try_get("balance_after")?,
        reserved_after: row.try_get("reserved_after")?,
        draws: row.try_get::<Json<_>, _>("draws")?.0,
        reference: row.try_get("reference")?,
        counterparty: row.try_get("counterparty")?,
        actor: row.try_get("actor")?,
        reason: row.try_get("reason")?,
        recorded_at: row.try_get("recorded_at")?,
        seal: Seal::default(),
    })
}

pub(super) fn entry(row: &PgRow) -> Result<Entry, StoreError> {
    let seal = Seal {
        made_digest: fixed(row, "made_digest")?,
        text_salt: fixed(row, "text_salt")?,
        text_digest: fixed(row, "text_digest")?,
        hash: fixed(row, "hash")?.ok_or_else(|| StoreError::Corrupt("an entry has no hash".to_owned()))?,
    };
    Ok(Entry { seal, ..unsealed_entry(row)? })
}

/// The bytes in `column`, of which there must be so many.
pub(super) fn fixed<const N: usize>(row: &PgRow, column: &str) -> Result<Option<[u8; N]>, StoreError> {
    let bytes: Option<&[u8]> = row.try_get(column)?;
    let fixed = bytes.map(<[u8; N]>::try_from).transpose();
    fixed.map_err(|_| StoreError::Corrupt(format!("{column} is not {N} bytes long")))
}

fn pricing(row: &PgRow) -> Result<Option<Pricing>, StoreError> {
    let units: Option<Json<Units>> = row.try_get("units")?;
    let rate_version: Option<i64> = row.try_get("rate_version")?;
    Ok(units.zip(rate_version).map(|(units, rate_version)| Pricing { units: units.0, rate_version }))
}

pub(super) fn rate_version(row: &PgRow) -> Result<RateVersion, StoreError> {
    let card = RateCard::new(row.try_get::<Json<_>, _>("units")?.0);
    Ok(RateVersion {
        resource: row.try_get("resource")?,
        version: row.try_get("version")?,
        effective_at: row.try_get("effective_at")?,
        card: card
            .map_err(|wrong| StoreError::Corrupt(format!("a rate is not what it should be: {wrong:?}")))?,
        actor: row.try_get("actor")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}

pub(super) fn usage(row: &PgRow) -> Result<Usage, StoreError> {
    Ok(Usage {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        refunded: row.try_get("refunded")?,
        uncollected: row.try_get("uncollected")?,
        pricing: pricing(row)?,
        resource: row.try_get("resource")?,
        metadata: row.try_get("metadata")?,
        reservation_id: row.try_get("reservation_id")?,
        draws: row.try_get::<Json<Vec<Share>>, _>("draws")?.0,
        actor: row.try_get("actor")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}

pub(super) fn reservation(row: &PgRow) -> Result<Reservation, StoreError> {
    Ok(Reservation {
        id: row.try_get("id")?,
        credits: row.try_get("credits")?,
        pricing: pricing(row)?,
        status: word(row, "status", ReservationStatus::from_word)?,
        expires_at: row.try_get("expires_at")?,
        resource: row.try_get("resource")?,
        metadata: row.try_get("metadata")?,
        draws: row.try_get::<Json<Vec<Share>>, _>("draws")?.0,
        usage_id: row.try_get("usage_id")?,
        actor: row.try_get("actor")?,
        recorded_at: row.try_get("recorded_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}

pub(super) fn key(row: &PgRow) -> Result<KeyRecord, StoreError> {
    let fingerprint: Vec<u8> = row.try_get("fingerprint")?;
    let fingerprint = fingerprint
        .try_into()
        .map_err(|_| StoreError::Corrupt("a fingerprint is not 32 bytes long".to_owned()))?;
    Ok(KeyRecord {
        key: IdempotencyKey { client: row.try_get("client")?, key: row.try_get("key")?, fingerprint },
        resource: row.try_get("resource")?,
        reply: row.try_get("reply")?,
        recorded_at: row.try_get("recorded_at")?,
    })
}
