//! What must be so after a history: credits by account, and what is known of users.

use std::collections::BTreeMap;

use crate::member::Service;
use crate::operation::{Kind, Operation, Outcome};

/// What one operation does to one account, in credits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) user_id: String,
    pub(crate) available: i64,
    pub(crate) reserved: i64,
}

/// What an operation that was answered with 2xx has done, by what the answer says.
pub(crate) fn effects(operation: &Operation) -> Vec<Effect> {
    let answer = operation.answer();
    let told = |pointer: &str| {
        let credits = answer.pointer(pointer).and_then(serde_json::Value::as_i64);
        credits.unwrap_or_else(|| panic!("{} says no {pointer}", operation.name()))
    };
    let (available, reserved) = match &operation.kind {
        Kind::Allocate(_) => (told("/allocation/credits"), 0),
        Kind::Use(_) => (-told("/usage/credits"), 0),
        Kind::Refund(_) => (told("/refund/credits") - told("/refund/lapsed"), 0),
        Kind::Reserve(_) => (-told("/reservation/credits"), told("/reservation/credits")),
        Kind::Capture { held } => (held - told("/usage/credits"), -held),
        Kind::Release { held } => (*held, -held),
        Kind::Adjust(_) => (told("/adjustment/credits"), 0),
        Kind::Void(_) => (-told("/forfeited"), 0),
        Kind::Transfer { to, .. } => {
            let credits = told("/transfer/credits");
            return vec![
                effect(operation, -credits, 0),
                Effect { user_id: to.clone(), available: credits, reserved: 0 },
            ];
        }
        Kind::Register | Kind::Rename(_) | Kind::Deactivate | Kind::Reactivate | Kind::Delete => {
            return Vec::new();
        }
    };
    // What goes back to an allocation that was voided since lapses.
    let may_be_nothing = matches!(operation.kind, Kind::Refund(_));
    assert!(available != 0 || reserved != 0 || may_be_nothing, "{} moved nothing", operation.name());
    vec![effect(operation, available, reserved)]
}

/// The least that an account can have after an operation that had no answer.
pub(crate) fn worst(operation: &Operation) -> Vec<Effect> {
    let taken = match &operation.kind {
        Kind::Use(credits)
        | Kind::Reserve(credits)
        | Kind::Void(credits)
        | Kind::Transfer { credits, .. } => *credits,
        Kind::Adjust(credits) if *credits < 0 => -credits,
        _ => return Vec::new(),
    };
    vec![effect(operation, -taken, 0)]
}

fn effect(operation: &Operation, available: i64, reserved: i64) -> Effect {
    let user_id = operation.user_id.clone().expect("credits are somebody's");
    Effect { user_id, available, reserved }
}

/// What of a user was acknowledged, and what may be so besides.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) display_names: Vec<String>,
    pub(crate) statuses: Vec<&'static str>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) users: BTreeMap<String, User>,
    /// Available and reserved credits by account.
    pub(crate) balances: BTreeMap<String, (i64, i64)>,
}

impl Model {
    /// What a history in which every key has its answer comes to.
    pub(crate) fn of(history: &[Operation]) -> Self {
        let mut model = Self::default();
        for operation in history {
            if operation.is_done() {
                for effect in effects(operation) {
                    let balance = model.balances.entry(effect.user_id).or_default();
                    *balance = (balance.0 + effect.available, balance.1 + effect.reserved);
                }
            }
            model.take(operation);
        }
        model
    }

    /// What had no answer may be done as late as its deadline: it stays possible.
    fn take(&mut self, operation: &Operation) {
        if operation.kind.service() == Service::Accounting {
            return;
        }
        let Some(user_id) = &operation.user_id else { return };
        let user = self.users.entry(user_id.clone()).or_default();
        let status = match &operation.kind {
            Kind::Register => {
                let name = operation.answer()["display_name"].as_str().unwrap_or_default().to_owned();
                user.name.clone_from(&name);
                user.display_names.push(name);
                user.statuses.push("active");
                return;
            }
            Kind::Rename(name) => {
                match operation.outcome {
                    // The first one is what was acknowledged last.
                    Outcome::Done(_) => user.display_names[0].clone_from(name),
                    Outcome::Unknown => user.display_names.push(name.clone()),
                    Outcome::Refused(_) => {}
                }
                return;
            }
            Kind::Deactivate => "deactivated",
            Kind::Reactivate => "active",
            Kind::Delete => "deleted",
            _ => return,
        };
        match operation.outcome {
            Outcome::Done(_) => user.statuses[0] = status,
            Outcome::Unknown => user.statuses.push(status),
            Outcome::Refused(_) => {}
        }
    }
}
