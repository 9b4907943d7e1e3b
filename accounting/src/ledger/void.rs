//! Voiding: what is unspent of an allocation is forfeited.

use time::OffsetDateTime;
use uuid::Uuid;

use super::entry::{Draw, EntryKind};
use super::receipt::{Rejection, Reply};
use super::reply::{VoidReply, reply};
use super::state::{AccountState, Booking};
use super::view::AllocationView;

/// Forfeits what is unspent of an allocation, pending ones included. What comes back
/// to it later, by a refund, is forfeited too.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn void(
    state: &mut AccountState,
    (id, reason, actor): (Uuid, Option<&str>, &str),
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let allocation = state.allocations.get(id).ok_or(Rejection::AllocationNotFound)?;
    if allocation.reserved > 0 {
        return Err(Rejection::AllocationReserved { reserved: allocation.reserved });
    }
    let is_pending = allocation.is_pending;
    let forfeited = if is_pending { allocation.credits } else { allocation.remaining };
    if forfeited == 0 {
        return Err(Rejection::NothingToVoid);
    }
    // Never before it was made: where a clock was set back, its time may be ahead.
    let at = if is_pending { now.max(allocation.recorded_at) } else { now };
    let mut draws = Vec::new();
    if is_pending {
        state.account.pending -= forfeited;
    } else {
        draws.push(Draw { allocation_id: id, remaining: -forfeited, reserved: 0 });
    }
    if let Some(allocation) = state.allocations.get_mut(id) {
        allocation.is_pending = false;
        allocation.is_voided = true;
    }
    // Of a pending allocation the entry moves nothing; it says who did it, and when.
    state.book(Booking { kind: EntryKind::Void, draws, reference: id, actor, reason, at });
    let voided = state.allocations.get(id).ok_or(Rejection::AllocationNotFound)?;
    let allocation = AllocationView::new(&state.account.user_id, voided, now);
    Ok(reply(format!("allocations/{id}"), &VoidReply { forfeited, allocation, after: state.after() }))
}
