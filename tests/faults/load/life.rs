//! What a client does for one user, from sign-up on, as the dice fall.

use std::sync::atomic::{AtomicBool, Ordering};

use accrue_chassis::clock::{Clock as _, SystemClock};
use serde_json::json;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::load::client::Client;
use crate::operation::{Kind, Operation};

/// What an account that may not spend, or is no more, answers.
const SUSPENDED: [&str; 2] = ["account_suspended", "spending_denied"];
const CLOSED: [&str; 2] = ["account_closed", "user_deleted"];

struct User {
    id: String,
    name: String,
    was_deactivated: bool,
    was_deleted: bool,
}

impl User {
    /// Refusals that are in order for who spends so much of what they have.
    fn refusals(&self, has_it: bool) -> Vec<&'static str> {
        let mut codes = Vec::new();
        if !has_it {
            codes.extend(["insufficient_credits", "transfer_too_large", "nothing_to_transfer"]);
        }
        if self.was_deactivated {
            codes.extend(SUSPENDED);
        }
        if self.was_deleted {
            codes.extend(CLOSED);
        }
        codes
    }
}

impl Client {
    /// Signs a user up, gives and uses credits, until that user's time is over.
    pub(super) async fn live(&mut self, number: u32, stop: &AtomicBool) {
        let name = format!("{}-{number}", self.name);
        let Some(id) = self.sign_up(&name).await else {
            // Refused connections come back at once: leave the processors to those who start.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            return;
        };
        let mut user = User { id, name, was_deactivated: false, was_deleted: false };
        // Mostly before the event, so that it makes a placeholder.
        self.allocate(&user, 100).await;
        for _ in 0..self.dice.among(3..9) {
            if user.was_deleted || stop.load(Ordering::Relaxed) {
                break;
            }
            self.step(&mut user).await;
        }
    }

    /// Now and then somebody else wants the same address at the same time, and one of both gets it.
    async fn sign_up(&mut self, name: &str) -> Option<String> {
        if !self.dice.percent(10) {
            return self.ask(Operation::register(name, name)).await.user_id;
        }
        let rivals = ["one", "other"]
            .map(|rival| Operation::register(name, &format!("{name}-{rival}")).allowing(&["email_taken"]));
        let [one, other] = self.ask_at_once(rivals).await;
        one.user_id.or(other.user_id)
    }

    async fn step(&mut self, user: &mut User) {
        if !self.manner.shared.is_empty() && self.dice.percent(self.manner.shares_percent) {
            return self.spend_shared().await;
        }
        match self.dice.among(0..100) {
            0..30 => self.consume(user).await,
            30..48 => self.reserve(user).await,
            48..60 => self.adjust(user).await,
            60..68 => self.void(user).await,
            68..76 => self.transfer(user).await,
            76..88 => self.rename(user).await,
            88..96 => self.suspend(user).await,
            _ => {
                user.was_deleted = true;
                self.administer(Kind::Delete, &user.id).await;
                self.allocate(user, 5).await;
            }
        }
    }

    async fn spend_shared(&mut self) {
        let place = self.dice.place(self.manner.shared.len());
        let (user_id, credits) = (self.manner.shared[place].clone(), self.dice.among(7..60));
        let key = self.key("shared");
        self.ask(Operation::consume(&user_id, credits, key).allowing(&["insufficient_credits"])).await;
    }

    async fn allocate(&mut self, user: &User, credits: i64) -> Operation {
        let key = self.key("allocate");
        let allocate = if self.dice.percent(30) {
            let end = SystemClock.now() + Duration::seconds(self.ends_in());
            let end = end.format(&Rfc3339).expect("a time of this century");
            let body = json!({"credits": credits, "expires_at": end});
            Operation::book(Kind::Allocate(credits), &user.id, "allocations", body, key)
        } else {
            Operation::allocate(&user.id, credits, key)
        };
        self.ask(allocate.allowing(&user.refusals(true))).await
    }

    /// Seconds: not within the run, and mostly within the hour by which a clock may be ahead.
    fn ends_in(&mut self) -> i64 {
        self.manner.soonest_end + self.dice.among(0..3_600)
    }

    async fn consume(&mut self, user: &User) {
        let (credits, key) = (self.dice.among(1..41), self.key("use"));
        let refusals = user.refusals(self.surely_has(&user.id, credits));
        let usage = self.ask(Operation::consume(&user.id, credits, key).allowing(&refusals)).await;
        if usage.is_done() && self.dice.percent(40) {
            let back = self.dice.among(1..credits + 1);
            let id = usage.answer()["usage"]["id"].as_str().expect("an id").to_owned();
            let (path, key) = (format!("usage/{id}/refund"), self.key("refund"));
            let refund = Operation::book(Kind::Refund(back), &user.id, &path, json!({"credits": back}), key);
            self.ask(refund.allowing(&user.refusals(true))).await;
        }
    }

    async fn reserve(&mut self, user: &User) {
        let (held, key) = (self.dice.among(1..51), self.key("reserve"));
        let refusals = user.refusals(self.surely_has(&user.id, held));
        let body = json!({"credits": held, "expires_in": self.ends_in()});
        let reserve = Operation::book(Kind::Reserve(held), &user.id, "reservations", body, key);
        let reserved = self.ask(reserve.allowing(&refusals)).await;
        if !reserved.is_done() {
            return;
        }
        let id = reserved.answer()["reservation"]["id"].as_str().expect("an id").to_owned();
        let ended = match self.dice.among(0..10) {
            0..5 => {
                let spent = self.dice.among(1..held + 1);
                let (path, key) = (format!("reservations/{id}/capture"), self.key("capture"));
                let kind = Kind::Capture { held };
                Operation::book(kind, &user.id, &path, json!({"credits": spent}), key)
            }
            5..9 => {
                let (path, key) = (format!("reservations/{id}/release"), self.key("release"));
                Operation::book(Kind::Release { held }, &user.id, &path, json!(null), key)
            }
            _ => return,
        };
        self.ask(ended.allowing(&user.refusals(true))).await;
    }

    async fn adjust(&mut self, user: &User) {
        let (credits, key) = (self.dice.among(1..30), self.key("adjust"));
        let credits = if self.dice.percent(50) { -credits } else { credits };
        let refusals = user.refusals(self.surely_has(&user.id, -credits));
        let body = json!({"credits": credits, "reason": "faults"});
        let adjust = Operation::book(Kind::Adjust(credits), &user.id, "adjustments", body, key);
        self.ask(adjust.allowing(&refusals)).await;
    }

    async fn void(&mut self, user: &User) {
        let allocated = self.allocate(user, 50).await;
        if allocated.is_done() {
            let id = allocated.answer()["allocation"]["id"].as_str().expect("an id").to_owned();
            let (path, key) = (format!("allocations/{id}/void"), self.key("void"));
            let void = Operation::book(Kind::Void(50), &user.id, &path, json!({"reason": "faults"}), key);
            // What had no answer may still draw on it meanwhile.
            let void = void.allowing(&["nothing_to_void", "allocation_reserved"]);
            self.ask(void.allowing(&user.refusals(true))).await;
        }
    }

    /// To the user before this one.
    async fn transfer(&mut self, user: &User) {
        let mut before = self.history.iter().rev().filter(|operation| operation.kind == Kind::Register);
        let is_other = |id: &String| *id != user.id;
        let Some(to) = before.find_map(|operation| operation.user_id.clone().filter(is_other)) else {
            return;
        };
        let (credits, key) = (self.dice.among(1..30), self.key("transfer"));
        let refusals = user.refusals(self.surely_has(&user.id, credits));
        let body = json!({"to": to, "credits": credits, "reason": "faults"});
        let kind = Kind::Transfer { to, credits };
        let transfer = Operation::book(kind, &user.id, "transfers", body, key);
        self.ask(transfer.allowing(&refusals).allowing(&CLOSED)).await;
    }

    async fn rename(&mut self, user: &User) {
        let Some(token) = self.log_in(&user.name, user.was_deactivated || user.was_deleted).await else {
            return;
        };
        let name = self.key("name");
        // The token outlives what was done to the user meanwhile.
        let refusals = ["user_changed", "user_deactivated", "invalid_token"];
        self.ask(Operation::rename(&user.id, token, name).allowing(&refusals)).await;
    }

    async fn suspend(&mut self, user: &mut User) {
        user.was_deactivated = true;
        self.administer(Kind::Deactivate, &user.id).await;
        if self.dice.percent(60) {
            self.administer(Kind::Reactivate, &user.id).await;
        }
    }
}
