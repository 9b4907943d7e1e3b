//! Allocations, usages and reservations against what the entries say of them.

use super::finding::Place;
use super::sums::Sums;
use super::tally::Tally;
use crate::ledger::chain::{Made, row_digest};
use crate::ledger::{Allocation, EntryKind, Reservation, ReservationStatus, Usage};

pub(super) fn allocation(sums: &mut Sums, one: &Allocation, digest: Option<&[u8]>, tally: &Tally) {
    let place = Place::Allocation(one.id);
    sums.remaining += i128::from(one.remaining);
    sums.expect(place, "remaining", (i128::from(one.remaining), tally.remaining));
    sums.expect(place, "reserved", (i128::from(one.reserved), tally.reserved));
    sums.expect(place, "what reservations hold of it", (tally.held, i128::from(one.reserved)));
    sums.expect(place, "is_voided", (one.is_voided, tally.voids > 0));
    if one.is_pending {
        sums.pending += i128::from(one.credits);
        sums.note_due(one.effective_at);
        sums.expect(place, "entries that booked it while it is pending", (tally.made, 0));
    } else if tally.made > 1 {
        sums.find(place, format!("{} entries say that they made it", tally.made));
    } else if tally.made == 0 && (digest.is_none() || one.effective_at.is_some()) {
        // Adopted ones that had been spent are in no entry, and never waited for a time.
        sums.find(place, "no entry booked it".to_owned());
    }
    if tally.arrivals > 1 {
        sums.find(place, format!("{} transfers say that they brought it", tally.arrivals));
    }
    if one.remaining > 0 {
        sums.note_due(one.expires_at);
    }
    let should_be = row_digest(&sums.user_id, Made::Allocation(one));
    if (one.is_pending || digest.is_some()) && digest != Some(should_be.as_slice()) {
        sums.find(place, "its terms are not those that it was made with".to_owned());
    }
}

pub(super) fn usage(sums: &mut Sums, one: &Usage, tally: &Tally) {
    let place = Place::Usage(one.id);
    sums.expect(place, "entries that booked it", (tally.made, 1));
    if tally.made == 1 {
        sums.expect(place, "credits", (i128::from(one.credits), tally.credits));
    }
    sums.expect(place, "refunded", (i128::from(one.refunded), tally.refunded));
    let drawn: i128 = one.draws.iter().map(|share| i128::from(share.credits)).sum();
    sums.expect(place, "what it drew", (drawn, i128::from(one.credits)));
}

pub(super) fn reservation(sums: &mut Sums, one: &Reservation, digest: Option<&[u8]>, tally: &Tally) {
    let place = Place::Reservation(one.id);
    sums.expect(place, "entries that booked it", (tally.made, 1));
    let drawn: i128 = one.draws.iter().map(|share| i128::from(share.credits)).sum();
    sums.expect(place, "what it drew", (drawn, i128::from(one.credits)));
    if one.is_held() {
        sums.held += i128::from(one.credits);
        sums.note_due(Some(one.expires_at));
    }
    let ends = u32::from(!one.is_held());
    sums.expect(place, "entries that ended it", (tally.ends, ends));
    let kind = match one.status {
        ReservationStatus::Held => None,
        ReservationStatus::Captured => Some(EntryKind::Capture),
        ReservationStatus::Released | ReservationStatus::Expired => Some(EntryKind::Release),
    };
    sums.expect(place, "what ended it", (tally.end.map(|(kind, _)| kind), kind));
    sums.expect(place, "ended_at", (one.ended_at, tally.end.map(|(_, at)| at)));
    let is_captured = one.status == ReservationStatus::Captured;
    sums.expect(place, "whether it names a usage", (one.usage_id.is_some(), is_captured));
    // Its time is over exactly where it ended by itself.
    if let Some(ended_at) = one.ended_at {
        let is_over = one.status == ReservationStatus::Expired;
        sums.expect(place, "whether it ended at its end", (ended_at == one.expires_at, is_over));
    }
    if digest != Some(row_digest(&sums.user_id, Made::Reservation(one)).as_slice()) {
        sums.find(place, "its terms, or its end, are not what they were".to_owned());
    }
}
