//! Allocating: credits come in, on a placeholder as on any account that is not closed.

use time::OffsetDateTime;

use super::CREDITS_LIMIT;
use super::allocation::{Allocation, MAX_PRIORITY};
use super::command::Allocate;
use super::entry::EntryKind;
use super::receipt::{Rejection, Reply};
use super::reply::{AllocationReply, reply};
use super::state::AccountState;
use super::view::AllocationView;

/// Adds credits, now or when their time comes.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn allocate(
    state: &mut AccountState,
    (order, actor): (&Allocate, &str),
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    check(order, now)?;
    state.require_open()?;
    state.require_room(order.credits)?;
    let allocation = Allocation {
        id: order.allocation_id,
        credits: order.credits,
        remaining: 0,
        reserved: 0,
        priority: order.priority,
        effective_at: order.effective_at,
        is_pending: order.effective_at.is_some_and(|begin| begin > now),
        expires_at: order.expires_at,
        is_voided: false,
        reason: order.reason.clone(),
        metadata: order.metadata.clone(),
        actor: actor.to_owned(),
        recorded_at: now,
    };
    if allocation.is_pending {
        state.account.pending += allocation.credits;
        // It begins before it ends.
        allocation.effective_at.into_iter().for_each(|begin| state.note_due(begin));
        state.allocations.make(allocation);
    } else {
        state.credit(EntryKind::Allocation, allocation, None);
    }
    let made = state.allocations.get(order.allocation_id).ok_or(Rejection::AllocationNotFound)?;
    let allocation = AllocationView::new(&state.account.user_id, made, now);
    let body = AllocationReply { allocation, after: state.after() };
    Ok(reply(format!("allocations/{}", order.allocation_id), &body))
}

fn check(order: &Allocate, now: OffsetDateTime) -> Result<(), Rejection> {
    if !(1..CREDITS_LIMIT).contains(&order.credits) {
        return Err(Rejection::CreditsOutOfRange);
    }
    if !(0..=MAX_PRIORITY).contains(&order.priority) {
        return Err(Rejection::PriorityOutOfRange);
    }
    if order.expires_at.is_some_and(|end| end <= now) {
        return Err(Rejection::EndHasPassed);
    }
    if order.expires_at.is_some_and(|end| order.effective_at.is_some_and(|begin| end <= begin)) {
        return Err(Rejection::EndBeforeBeginning);
    }
    Ok(())
}
