//! Reading settings: secrets from files, and every problem at once.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Collects what is wrong with the settings, so that all of it is told at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

/// The settings are wrong; nothing was started.
#[derive(Debug, thiserror::Error)]
#[error("the settings are not usable:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct InvalidSettings(Vec<String>);

impl Problems {
    /// No problem yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a problem: what is wrong, and with which setting.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Takes the value, or notes the error and gives nothing.
    pub fn take<T>(&mut self, setting: Result<T, impl std::fmt::Display>) -> Option<T> {
        setting.map_err(|error| self.add(error.to_string())).ok()
    }

    /// An address to listen on.
    pub fn listen_address(&mut self, name: &str, text: &str) -> Option<SocketAddr> {
        self.take(
            text.parse().map_err(|_| {
                format!("{name}: {text:?} is not an IP address and a port such as 127.0.0.1:8001")
            }),
        )
    }

    /// The number, if it lies in `range`.
    pub fn in_range<T>(&mut self, name: &str, value: T, range: RangeInclusive<T>) -> Option<T>
    where
        T: PartialOrd + Display,
    {
        if range.contains(&value) {
            return Some(value);
        }
        self.add(format!("{name}: {value} is not between {} and {}", range.start(), range.end()));
        None
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every problem that was noted.
    pub fn finish(self) -> Result<(), InvalidSettings> {
        if self.0.is_empty() { Ok(()) } else { Err(InvalidSettings(self.0)) }
    }

    /// A secret that is given either as it is or as the path of a file that holds
    /// it (`NAME_FILE`); the line end at the file's end is not part of it.
    pub fn secret(&mut self, name: &str, value: Option<String>, file: Option<PathBuf>) -> Option<String> {
        match (value, file) {
            (Some(_), Some(_)) => {
                self.add(format!("{name} and {name}_FILE are both set; keep one"));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    self.add(format!("{name}_FILE: cannot read {}: {error}", path.display()));
                    None
                }
            },
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_told() {
        let mut problems = Problems::new();
        problems.secret("A_URL", Some("x".into()), Some("/y".into()));
        problems.secret("B_URL", None, Some("/nowhere/at/all".into()));
        assert_eq!(problems.in_range("C", 5, 1..=9), Some(5));
        assert_eq!(problems.in_range("D", 10, 1..=9), None);
        assert!(problems.listen_address("E_LISTEN", "[::1]:80").is_some());
        assert_eq!(problems.listen_address("F_LISTEN", "here"), None);
        let told = problems.finish().expect_err("four problems").to_string();
        for problem in
            ["A_URL and A_URL_FILE", "/nowhere/at/all", "D: 10 is not between 1 and 9", "F_LISTEN: \"here\""]
        {
            assert!(told.contains(problem), "{problem} is missing in {told}");
        }
    }
}
