//! Refunding: spent credits go back to where they came from, last drawn first.
//!
//! What goes back to an allocation that has ended meanwhile comes back and lapses at
//! once: an entry for the refund, and one for the expiry (or the void). So a refund
//! never makes credits live longer than they were sold to.

use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::allocation::{Share, split};
use super::entry::EntryKind;
use super::receipt::{Rejection, Reply};
use super::reply::{RefundReply, RefundView, reply};
use super::state::{AccountState, Booking, draws};
use super::usage::Usage;

/// What is to come back.
pub(super) struct Order<'a> {
    pub(super) usage_id: Uuid,
    /// None for all that still can.
    pub(super) credits: Option<i64>,
    pub(super) reason: Option<&'a str>,
    pub(super) actor: &'a str,
}

/// Gives spent credits back. A closed account gets none: they belong to nobody.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn refund(
    state: &mut AccountState,
    order: &Order<'_>,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    if order.credits.is_some_and(|credits| !(1..CREDITS_LIMIT).contains(&credits)) {
        return Err(Rejection::CreditsOutOfRange);
    }
    let usage = state.usages.get(order.usage_id).ok_or(Rejection::UsageNotFound)?;
    state.require_open()?;
    let refundable = usage.refundable();
    let credits = order.credits.unwrap_or(refundable);
    if credits > refundable || refundable == 0 {
        return Err(Rejection::RefundTooLarge { refundable });
    }
    let shares = last_drawn(usage, credits);
    state.require_held(&shares)?;
    state.require_room(credits)?;
    let (kind, reference) = (EntryKind::Refund, order.usage_id);
    let (actor, reason) = (order.actor, order.reason);
    state.book(Booking { kind, draws: draws(&shares, (1, 0)), reference, actor, reason, at: now });
    let balance = state.account.available;
    state.drop_returned(&shares, now);
    let lapsed = balance - state.account.available;
    let usage = state.usages.get_mut(reference).ok_or(Rejection::UsageNotFound)?;
    usage.refunded += credits;
    let usage = usage.clone();
    let refund = RefundView { credits, allocations: shares, lapsed };
    let body = RefundReply { refund, usage: state.usage_view(&usage), after: state.after() };
    Ok(reply(format!("usage/{reference}"), &body))
}

/// The last `credits` that were drawn and did not come back yet, last first.
fn last_drawn(usage: &Usage, credits: i64) -> Vec<Share> {
    let backwards: Vec<Share> = usage.draws.iter().rev().copied().collect();
    let (_, open) = split(&backwards, usage.refunded);
    split(&open, credits).0
}
