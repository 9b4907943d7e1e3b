//! Allocating: credits come in, on a placeholder as on any account that is not closed.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::account::{AccountStatus, Allocation, EntryKind};
use super::command::{Allocate, Rejection, Reply};
use super::state::AccountState;

/// The body of the reply to an allocation.
#[derive(Serialize)]
struct AllocationReply<'a> {
    allocation: AllocationView<'a>,
    balance: BalanceView,
    account_status: &'static str,
}

#[derive(Serialize)]
struct AllocationView<'a> {
    id: Uuid,
    user_id: &'a str,
    credits: i64,
    remaining: i64,
    reason: Option<&'a str>,
    metadata: Option<&'a Value>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    actor: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

#[derive(Serialize)]
struct BalanceView {
    available: i64,
    reserved: i64,
}

/// Adds credits.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub(super) fn allocate(
    state: &mut AccountState,
    order: &Allocate,
    now: OffsetDateTime,
) -> Result<Reply, Rejection> {
    if !(1..CREDITS_LIMIT).contains(&order.credits) {
        return Err(Rejection::CreditsOutOfRange);
    }
    if order.expires_at.is_some_and(|end| end <= now) {
        return Err(Rejection::EndHasPassed);
    }
    if state.account.status == AccountStatus::Closed {
        return Err(Rejection::AccountClosed);
    }
    if !state.has_room_for(order.credits) {
        return Err(Rejection::BalanceLimit);
    }
    let allocation = Allocation {
        id: order.allocation_id,
        credits: order.credits,
        remaining: order.credits,
        expires_at: order.expires_at,
        reason: order.reason.clone(),
        metadata: order.metadata.clone(),
        actor: order.actor.clone(),
        recorded_at: now,
    };
    state.credit(EntryKind::Allocation, allocation.clone());
    Ok(Reply {
        resource: format!("allocations/{}", allocation.id),
        body: render(state, &allocation),
        is_replay: false,
    })
}

fn render(state: &AccountState, allocation: &Allocation) -> Vec<u8> {
    let reply = AllocationReply {
        allocation: AllocationView {
            id: allocation.id,
            user_id: &state.account.user_id,
            credits: allocation.credits,
            remaining: allocation.remaining,
            reason: allocation.reason.as_deref(),
            metadata: allocation.metadata.as_ref(),
            expires_at: allocation.expires_at,
            actor: &allocation.actor,
            recorded_at: allocation.recorded_at,
        },
        balance: BalanceView { available: state.account.available, reserved: state.account.reserved },
        account_status: state.account.status.word(),
    };
    serde_json::to_vec(&reply).expect("plain values and times of four-digit years always serialise")
}
