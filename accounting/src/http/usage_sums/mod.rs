//! `usage-sums`: usage summed by user, resource and period, of one account or of all.

pub(super) mod account;
pub(super) mod everyone;

use accrue_chassis::problem::{FieldError, Problem};
use serde::Serialize;
use time::macros::format_description;
use time::{Date, Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::fields::Fields;
use crate::store::{Days, UsageFilter, UsagePosition, UsageSum};

/// The longest period, in days.
const MAX_DAYS: i64 = 366;
/// The period that is summed by day where none is asked for.
const DEFAULT_DAYS: i64 = 31;

/// What both kinds of sums are asked for by.
struct PeriodParams {
    since: Option<String>,
    until: Option<String>,
    resource: Option<String>,
}

impl PeriodParams {
    /// Which usages to sum, if nothing is wrong with it: by default those of the `days` of the
    /// page before, on the first page those up to today.
    fn filter(
        self,
        now: OffsetDateTime,
        default_days: i64,
        days: Option<Days>,
    ) -> Result<UsageFilter, Problem> {
        let date = |name, text: Option<String>| text.map(|text| parse_date(name, &text)).transpose();
        let (since, until) = (date("since", self.since)?, date("until", self.until)?);
        let until = until.or(days.map(|days| days.until));
        let until = until.unwrap_or_else(|| now.date().saturating_add(Duration::DAY));
        let since = since.or(days.map(|days| days.since));
        let since = since.unwrap_or_else(|| until.saturating_sub(Duration::days(default_days)));
        let days = Days { since, until };
        let resource = self.resource;
        Fields::new()
            .require((1..=MAX_DAYS).contains(&days.count()), || {
                let detail = format!("until must be 1 to {MAX_DAYS} days after since.");
                FieldError::new("", "invalid_period", detail)
            })
            .resource(resource.as_ref())
            .require(!resource.as_deref().unwrap_or_default().contains('\0'), || {
                FieldError::new("", "nul_character", "resource holds a NUL character; leave it out.")
            })
            .finish()?;
        Ok(UsageFilter { days, user_id: None, resource })
    }
}

fn parse_date(name: &str, text: &str) -> Result<Date, Problem> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok();
    // Years below 0 are more than databases keep.
    date.filter(|date| date.year() >= 0).ok_or_else(|| {
        let detail = format!("{name} must be a day such as 2026-01-31.");
        Problem::invalid(vec![FieldError::new("", "invalid_date", detail)])
    })
}

/// How long the period of a sum is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Day,
    Month,
}

/// The usage of a user for a resource in a day or a month, summed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageSum, example = json!({
    "period": "2026-01-31", "user_id": "ada", "resource": "chat", "credits": 120, "refunded": 20,
    "net": 100, "uncollected": 0, "count": 7,
}))]
pub(super) struct UsageSumBody {
    /// The day, or the month, in UTC.
    period: String,
    /// Whose.
    user_id: String,
    /// What for, where the usages name it.
    resource: Option<String>,
    /// What was drawn.
    #[schema(minimum = 0)]
    credits: i128,
    /// What of it came back since, whenever.
    #[schema(minimum = 0)]
    refunded: i128,
    /// `credits` less `refunded`.
    #[schema(minimum = 0)]
    net: i128,
    /// What captures asked for on top and could not draw.
    #[schema(minimum = 0)]
    uncollected: i128,
    /// How many usages.
    #[schema(minimum = 1)]
    count: i64,
}

impl UsageSumBody {
    fn new(period: Period, sum: UsageSum) -> Self {
        let (year, month, day) = (sum.begin.year(), u8::from(sum.begin.month()), sum.begin.day());
        let period = match period {
            Period::Day => format!("{year:04}-{month:02}-{day:02}"),
            Period::Month => format!("{year:04}-{month:02}"),
        };
        Self {
            period,
            user_id: sum.user_id,
            resource: sum.resource,
            credits: sum.credits,
            refunded: sum.refunded,
            net: sum.credits - sum.refunded,
            uncollected: sum.uncollected,
            count: sum.count,
        }
    }
}

fn position(sum: &UsageSum) -> UsagePosition {
    UsagePosition { begin: sum.begin, user_id: sum.user_id.clone(), resource: sum.resource.clone() }
}
