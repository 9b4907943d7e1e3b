//! What can never change of allocations, usages and reservations, as it is hashed.

use serde_json::Value;
use uuid::Uuid;

use super::Digest;
use super::encoder::Encoder;
use crate::ledger::allocation::{Allocation, Share};
use crate::ledger::cost::Pricing;
use crate::ledger::reservation::Reservation;
use crate::ledger::usage::Usage;

const MADE: &[u8] = b"accrue/made/1";
const ROW: &[u8] = b"accrue/row/1";

/// Something that an entry was the first to name.
#[derive(Debug, Clone, Copy)]
pub enum Made<'a> {
    /// An allocation.
    Allocation(&'a Allocation),
    /// A usage.
    Usage(&'a Usage),
    /// A reservation.
    Reservation(&'a Reservation),
}

impl<'a> Made<'a> {
    /// Its id.
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::Allocation(one) => one.id,
            Self::Usage(one) => one.id,
            Self::Reservation(one) => one.id,
        }
    }

    /// Its free text: an allocation's reason or what the others are for, and the metadata.
    pub(super) fn texts(self) -> (Option<&'a str>, Option<&'a Value>) {
        match self {
            Self::Allocation(one) => (one.reason.as_deref(), one.metadata.as_ref()),
            Self::Usage(one) => (one.resource.as_deref(), one.metadata.as_ref()),
            Self::Reservation(one) => (one.resource.as_deref(), one.metadata.as_ref()),
        }
    }

    fn encode(self, encoder: &mut Encoder) {
        match self {
            Self::Allocation(one) => {
                encoder.byte(b'a');
                encoder.id(one.id);
                encoder.number(one.credits);
                encoder.number(i64::from(one.priority));
                encoder.optional_time(one.effective_at);
                encoder.optional_time(one.expires_at);
                encoder.text(&one.actor);
                encoder.time(one.recorded_at);
            }
            Self::Usage(one) => {
                encoder.byte(b'u');
                encoder.id(one.id);
                encoder.number(one.credits);
                encoder.number(one.uncollected);
                pricing(encoder, one.pricing.as_ref());
                encoder.optional_id(one.reservation_id);
                shares(encoder, &one.draws);
                encoder.text(&one.actor);
                encoder.time(one.recorded_at);
            }
            Self::Reservation(one) => {
                encoder.byte(b'r');
                encoder.id(one.id);
                encoder.number(one.credits);
                pricing(encoder, one.pricing.as_ref());
                shares(encoder, &one.draws);
                encoder.text(&one.actor);
                encoder.time(one.recorded_at);
            }
        }
    }
}

/// A byte that says whether units were priced; then how many kinds there are, the name and
/// the count of each in the order of their names, and the version of the rate.
fn pricing(encoder: &mut Encoder, pricing: Option<&Pricing>) {
    encoder.byte(u8::from(pricing.is_some()));
    let Some(Pricing { units, rate_version }) = pricing else { return };
    encoder.count(units.iter().count());
    for (name, count) in units.iter() {
        encoder.text(name);
        encoder.unsigned(count);
    }
    encoder.number(*rate_version);
}

fn shares(encoder: &mut Encoder, shares: &[Share]) {
    encoder.count(shares.len());
    for share in shares {
        encoder.id(share.allocation_id);
        encoder.number(share.credits);
    }
}

/// The digest of what an entry made; none if nothing.
#[must_use]
pub fn made_digest(made: &[Made<'_>]) -> Option<Digest> {
    if made.is_empty() {
        return None;
    }
    let mut encoder = Encoder::new(MADE);
    for one in made {
        one.encode(&mut encoder);
    }
    Some(encoder.finish())
}

/// What the row of something carries itself, where no entry can: a pending allocation,
/// which no entry names yet, and until when a reservation holds, which an extension
/// moves without an entry.
#[must_use]
pub fn row_digest(user_id: &str, made: Made<'_>) -> Digest {
    let mut encoder = Encoder::new(ROW);
    encoder.text(user_id);
    made.encode(&mut encoder);
    if let Made::Reservation(one) = made {
        encoder.time(one.expires_at);
    }
    encoder.finish()
}
