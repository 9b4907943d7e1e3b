//! Compiles again when a migration is added: `sqlx::migrate!` embeds their directory.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/auth");
}
