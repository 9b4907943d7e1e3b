//! What happens to accounts: one event an entry of the ledger, and one whenever the balance
//! falls below the threshold.
//!
//! No personal data, and nothing that somebody typed: events go where they cannot be
//! called back from.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::broker::Message;
use crate::envelope::{ACCOUNTING_SOURCE, CONTENT_TYPE, Envelope};

/// The major version of the payloads that this code writes.
const MAJOR: &str = "v1";

/// What kind of event an entry becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BookedKind {
    /// Credits came in.
    CreditsAllocated,
    /// Credits were spent, from what was available or from a reservation.
    CreditsUsed,
    /// Spent credits came back.
    CreditsRefunded,
    /// Credits were held for later.
    CreditsReserved,
    /// Held credits were given back.
    ReservationReleased,
    /// Held credits came back because the time was over.
    ReservationExpired,
    /// Credits ran out of time.
    CreditsExpired,
    /// What was unspent of an allocation was forfeited.
    CreditsVoided,
    /// An operator corrected the balance.
    BalanceAdjusted,
    /// Credits moved to another account, or came from one.
    CreditsTransferred,
}

impl BookedKind {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::CreditsAllocated,
        Self::CreditsUsed,
        Self::CreditsRefunded,
        Self::CreditsReserved,
        Self::ReservationReleased,
        Self::ReservationExpired,
        Self::CreditsExpired,
        Self::CreditsVoided,
        Self::BalanceAdjusted,
        Self::CreditsTransferred,
    ];

    /// What it happened to, and what happened.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::CreditsAllocated => ("credits", "allocated"),
            Self::CreditsUsed => ("credits", "used"),
            Self::CreditsRefunded => ("credits", "refunded"),
            Self::CreditsReserved => ("credits", "reserved"),
            Self::ReservationReleased => ("reservation", "released"),
            Self::ReservationExpired => ("reservation", "expired"),
            Self::CreditsExpired => ("credits", "expired"),
            Self::CreditsVoided => ("credits", "voided"),
            Self::BalanceAdjusted => ("balance", "adjusted"),
            Self::CreditsTransferred => ("credits", "transferred"),
        }
    }
}

/// The words of the event that tells of a low balance.
const BALANCE_LOW: (&str, &str) = ("balance", "low");

/// Credits in the two parts of a balance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parts {
    /// What can be spent.
    pub available: i64,
    /// What reservations hold.
    pub reserved: i64,
}

/// An entry of the ledger: `data` of every event but [`BalanceLow`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Booked {
    /// Whose account. Opaque, at most 50 characters.
    #[schema(min_length = 1, max_length = 50)]
    pub user_id: String,
    /// The number of the entry within the account: 1, 2, 3 …, without gaps.
    #[schema(minimum = 1)]
    pub seq: i64,
    /// The kind of the entry, as the ledger names it: `allocation`, `welcome`, `usage` …
    pub kind: String,
    /// Credits in (positive) or out (negative); 0 where they only moved between the parts.
    pub credits: i64,
    /// By how much each part of the balance changed.
    #[schema(inline)]
    pub change: Parts,
    /// The balance after it.
    #[schema(inline)]
    pub balance: Parts,
    /// The allocation that came in, ran out or was forfeited.
    pub allocation_id: Option<Uuid>,
    /// The usage that was made, or that credits came back of.
    pub usage_id: Option<Uuid>,
    /// The reservation that was made, captured or given back.
    pub reservation_id: Option<Uuid>,
    /// The correction.
    pub adjustment_id: Option<Uuid>,
    /// The transfer: the other account's entry names the same.
    pub transfer_id: Option<Uuid>,
}

/// The balance fell below the threshold: `data` of that event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BalanceLow {
    /// Whose account. Opaque, at most 50 characters.
    #[schema(min_length = 1, max_length = 50)]
    pub user_id: String,
    /// The entry with which it fell; that has an event of its own.
    #[schema(minimum = 1)]
    pub seq: i64,
    /// What is available was at least this before the entry, and is less after it.
    #[schema(minimum = 1)]
    pub threshold: i64,
    /// The balance after the entry.
    #[schema(inline)]
    pub balance: Parts,
}

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEvent {
    /// The event's own id.
    pub id: Uuid,
    /// When it happened: the instant of the entry.
    pub occurred_at: OffsetDateTime,
    /// What happened.
    pub happening: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Something was booked.
    Booked(BookedKind, Booked),
    /// What is available fell below the threshold.
    BalanceLow(BalanceLow),
}

impl AccountEvent {
    /// Whose account.
    #[must_use]
    pub fn user_id(&self) -> &str {
        match &self.happening {
            Happening::Booked(_, booked) => &booked.user_id,
            Happening::BalanceLow(low) => &low.user_id,
        }
    }

    /// The event as a message for the broker.
    #[must_use]
    pub fn to_message(&self) -> Message {
        match &self.happening {
            Happening::Booked(kind, booked) => self.message(kind.words(), booked),
            Happening::BalanceLow(low) => self.message(BALANCE_LOW, low),
        }
    }

    fn message(&self, words: (&str, &str), data: &impl Serialize) -> Message {
        let by = (ACCOUNTING_SOURCE, self.user_id().to_owned());
        let envelope = Envelope::new(by, self.id, event_type(words), self.occurred_at, data);
        Message {
            id: self.id,
            routing_key: routing_key(words),
            content_type: CONTENT_TYPE.to_owned(),
            body: serde_json::to_vec(&envelope).expect("an event of plain values serialises"),
            traceparent: None,
        }
    }
}

/// Such as `accrue.credits.used.v1`.
fn event_type((subject, what): (&str, &str)) -> String {
    format!("accrue.{subject}.{what}.{MAJOR}")
}

/// Such as `account.credits_used`.
fn routing_key((subject, what): (&str, &str)) -> String {
    format!("account.{subject}_{what}")
}

/// The types of all events on accounts, and whether each tells of an entry.
#[cfg(test)]
pub(crate) fn types() -> Vec<(String, bool)> {
    let booked = BookedKind::ALL.into_iter().map(|kind| (event_type(kind.words()), true));
    booked.chain([(event_type(BALANCE_LOW), false)]).collect()
}

/// One event of each type.
#[cfg(test)]
pub(crate) fn examples() -> Vec<AccountEvent> {
    let booked = BookedKind::ALL.into_iter().map(|kind| Happening::Booked(kind, tests::booked()));
    booked.chain([Happening::BalanceLow(tests::low())]).map(tests::event).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;

    pub(super) fn event(happening: Happening) -> AccountEvent {
        let occurred_at = datetime!(2026-01-02 03:04:05.678901 UTC);
        AccountEvent { id: Uuid::from_u128(7), occurred_at, happening }
    }

    pub(super) fn booked() -> Booked {
        Booked {
            user_id: "u1".to_owned(),
            seq: 3,
            kind: "capture".to_owned(),
            credits: -25,
            change: Parts { available: 15, reserved: -40 },
            balance: Parts { available: 55, reserved: 0 },
            allocation_id: None,
            usage_id: Some(Uuid::from_u128(8)),
            reservation_id: Some(Uuid::from_u128(9)),
            adjustment_id: None,
            transfer_id: None,
        }
    }

    pub(super) fn low() -> BalanceLow {
        let balance = Parts { available: 9, reserved: 1 };
        BalanceLow { user_id: "u1".to_owned(), seq: 4, threshold: 10, balance }
    }

    #[test]
    fn an_entry_is_told_whole() {
        let message = event(Happening::Booked(BookedKind::CreditsUsed, booked())).to_message();
        assert_eq!((message.id, message.routing_key.as_str()), (Uuid::from_u128(7), "account.credits_used"));
        assert_eq!(message.content_type, "application/cloudevents+json");
        let told: Value = serde_json::from_slice(&message.body).expect("JSON");
        let expected = json!({
            "specversion": "1.0",
            "id": "00000000-0000-0000-0000-000000000007",
            "source": "accrue/accounting",
            "type": "accrue.credits.used.v1",
            "subject": "u1",
            "time": "2026-01-02T03:04:05.678901Z",
            "datacontenttype": "application/json",
            "data": {
                "user_id": "u1", "seq": 3, "kind": "capture", "credits": -25,
                "change": {"available": 15, "reserved": -40},
                "balance": {"available": 55, "reserved": 0},
                "allocation_id": null,
                "usage_id": "00000000-0000-0000-0000-000000000008",
                "reservation_id": "00000000-0000-0000-0000-000000000009",
                "adjustment_id": null,
                "transfer_id": null,
            },
        });
        assert_eq!(told, expected);
        let read: Envelope<Booked> = serde_json::from_slice(&message.body).expect("readable");
        assert_eq!(read.data, booked());
    }

    #[test]
    fn a_low_balance_names_what_it_fell_below() {
        let message = event(Happening::BalanceLow(low())).to_message();
        assert_eq!(message.routing_key, "account.balance_low");
        let read: Envelope<BalanceLow> = serde_json::from_slice(&message.body).expect("readable");
        assert_eq!((read.kind.as_str(), read.data), ("accrue.balance.low.v1", low()));
    }

    #[test]
    fn every_kind_has_a_type_of_its_own() {
        let mut all = types();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), BookedKind::ALL.len() + 1);
    }
}
