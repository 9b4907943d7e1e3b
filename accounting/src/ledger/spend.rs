//! Spending: credits go, from the allocations that burn first.

use time::OffsetDateTime;

use super::chain::Made;
use super::command::Use;
use super::entry::EntryKind;
use super::policies::Policies;
use super::receipt::{Rejection, Reply};
use super::reply::{UsageReply, reply};
use super::state::{AccountState, Booking, draws};
use super::usage::Usage;

/// Spends credits.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn spend(
    state: &mut AccountState,
    (order, actor): (&Use, &str),
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    let charge = state.charge(&order.cost, order.resource.as_deref())?;
    state.require_spending(policies)?;
    let shares = state.plan_burn(charge.credits, now)?;
    let (reference, draws) = (order.usage_id, draws(&shares, (-1, 0)));
    let usage = Usage {
        id: order.usage_id,
        credits: charge.credits,
        refunded: 0,
        uncollected: 0,
        pricing: charge.pricing,
        resource: order.resource.clone(),
        metadata: order.metadata.clone(),
        reservation_id: None,
        draws: shares,
        actor: actor.to_owned(),
        recorded_at: now,
    };
    let booking = Booking { kind: EntryKind::Usage, draws, reference, actor, reason: None, at: now };
    state.book_making(booking, Made::Usage(&usage));
    let body = UsageReply { usage: state.usage_view(&usage), after: state.after() };
    state.usages.make(usage);
    Ok(reply(format!("usage/{reference}"), &body))
}
