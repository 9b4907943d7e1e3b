//! Users made by hand.

use std::path::Path;

use accrue_auth::domain::{DisplayName, EmailAddress, Password, Profile, Username};
use accrue_auth::operator::{create_user, generated_password};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use super::{CreateUser, opened};

pub(super) async fn create(args: CreateUser) -> anyhow::Result<()> {
    let email = EmailAddress::parse(&args.email).context("--email")?;
    let username = args.username.as_deref().map(Username::parse).transpose().context("--username")?;
    let display_name =
        args.display_name.as_deref().map(DisplayName::parse).transpose().context("--display-name")?;
    let given = args.password_file.as_deref().map(read).transpose()?;
    let is_made_up = given.is_none();
    let text = given.unwrap_or_else(|| generated_password().expose_secret().to_owned());
    let password =
        Password::choose(text.clone(), Some(&email), username.as_ref()).context("--password-file")?;
    let roles = args.role.into_iter().collect();
    let passwords = opened::passwords(&args.hash)?;
    let opened = args.store.open().await?;
    let profile = Profile { email, email_verified: true, username, display_name, roles };
    let user = create_user(&*opened.store, &passwords, &opened.clock, profile, password).await?;
    println!("user_id: {}", user.user_id);
    if is_made_up {
        println!("password: {text}");
        eprintln!("The password is shown this once and kept nowhere.");
    }
    Ok(())
}

/// The first line: what comes after it is no part of a password.
fn read(path: &Path) -> anyhow::Result<String> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
            .context("the password cannot be read from standard input")?
    } else {
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?
    };
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
