//! Compiles again when a migration is added: `sqlx::migrate!` embeds their directories.

fn main() {
    println!("cargo:rerun-if-changed=../migrations/accounting");
}
