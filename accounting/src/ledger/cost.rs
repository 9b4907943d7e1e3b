//! What a command costs: credits that it names, or what its units come to.

use super::CREDITS_LIMIT;
use super::receipt::Rejection;
use super::state::AccountState;
use crate::rates::{Units, Unpriced};

/// What a command is to cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cost {
    /// So many credits: 1 to 2^53 - 1.
    Credits(i64),
    /// What these units of the resource come to, by the rate that is in force when the
    /// command is decided. That may be 0.
    Units(Units),
}

/// Units, and the version of their resource's rate that priced them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    /// The units.
    pub units: Units,
    /// The version of the rate.
    pub rate_version: i64,
}

/// What a command costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charge {
    /// 0 to 2^53 - 1; at least 1 where there is no pricing.
    pub(super) credits: i64,
    /// How units came to that.
    pub(super) pricing: Option<Pricing>,
}

impl AccountState {
    /// What `cost` comes to for `resource`. The store must have loaded the rate.
    pub(super) fn charge(&self, cost: &Cost, resource: Option<&str>) -> Result<Charge, Rejection> {
        match cost {
            Cost::Credits(credits) if (1..CREDITS_LIMIT).contains(credits) => {
                Ok(Charge { credits: *credits, pricing: None })
            }
            Cost::Credits(_) => Err(Rejection::CreditsOutOfRange),
            Cost::Units(units) => {
                let resource = resource.ok_or(Unpriced::NoResource)?;
                let rate = self.rates.get(resource).ok_or(Unpriced::NoRate)?;
                let credits = rate.card.price(units)?.credits;
                let pricing = Some(Pricing { units: units.clone(), rate_version: rate.version });
                Ok(Charge { credits, pricing })
            }
        }
    }
}
