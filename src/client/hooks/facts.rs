//! The facts about a download that a command receives: the values of the placeholders and of the environment.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use crate::{
    client::api::{
        content::proof::Proof,
        new_job::NewJob,
        settings::hook::{PLACEHOLDERS, variable},
        views::view::{Finished, Trouble},
    },
    text::SafeText,
};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `done`, `failed` or `idle`.
    event: &'static str,
    /// In the order of the placeholders; empty where nothing is known.
    values: [OsString; PLACEHOLDERS.len()],
}

impl Facts {
    /// About a download that is done.
    pub(super) fn of_done(finished: &Finished, job: Option<&NewJob>) -> Facts {
        let proof = match finished.proof {
            None => "",
            Some(Proof::Verified { .. }) => "verified",
            Some(Proof::SameVersion) => "same-version",
            Some(Proof::Unproven) => "unproven",
        };
        let path = finished.path.clone().into_os_string();
        let name = finished.path.file_name().unwrap_or_default().to_owned();
        let (digest, size) = (finished.blake3.clone().into(), finished.bytes.to_string().into());
        Facts { event: "done", values: [path, name, digest, size, url(job), OsString::new(), proof.into()] }
    }

    /// About a download that has failed.
    pub(super) fn of_failed(name: &SafeText, trouble: &Trouble, job: Option<&NewJob>) -> Facts {
        let none = OsString::new;
        let name = name.as_str().into();
        let error = trouble.message.as_str().into();
        Facts { event: "failed", values: [none(), name, none(), none(), url(job), error, none()] }
    }

    /// Nothing runs or waits any more.
    pub(super) fn idle() -> Facts {
        Facts { event: "idle", ..Facts::default() }
    }

    /// The setting, and the download, for messages.
    pub(super) fn what(&self) -> String {
        let setting = format!("on_{}", self.event);
        match self.value("name") {
            Some(name) if !name.is_empty() => {
                format!("{setting} of {}", SafeText::from_bytes(name.as_bytes()))
            }
            _ => setting,
        }
    }

    fn value(&self, placeholder: &str) -> Option<&OsStr> {
        let at = PLACEHOLDERS.iter().position(|name| *name == placeholder)?;
        Some(&self.values[at])
    }

    /// The variables of the environment.
    pub(super) fn environment(&self) -> impl Iterator<Item = (String, OsString)> {
        let values =
            PLACEHOLDERS.iter().zip(&self.values).map(|(name, value)| (variable(name), value.clone()));
        values.chain([(variable("event"), self.event.into())])
    }

    /// An argument with the values in the place of the placeholders. Braces around anything else stay, also in a value.
    pub(super) fn fill(&self, argument: &str) -> OsString {
        let (mut filled, mut rest) = (Vec::new(), argument);
        while let Some(start) = rest.find('{') {
            let (before, from) = rest.split_at(start);
            filled.extend_from_slice(before.as_bytes());
            let end = from.find('}');
            match end.and_then(|end| Some((end, self.value(&from[1..end])?))) {
                Some((end, value)) => {
                    filled.extend_from_slice(value.as_bytes());
                    rest = &from[end + 1..];
                }
                None => {
                    filled.push(b'{');
                    rest = &from[1..];
                }
            }
        }
        filled.extend_from_slice(rest.as_bytes());
        OsString::from_vec(filled)
    }
}

/// The address without its token.
fn url(job: Option<&NewJob>) -> OsString {
    job.map(|job| job.address.to_string().into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::api::{address::locator::Locator, views::view::TroubleKind};

    fn finished(path: &[u8]) -> Finished {
        Finished {
            path: OsStr::from_bytes(path).into(),
            bytes: 7,
            transferred: 7,
            resumed: 0,
            blake3: "abc".to_owned(),
            origin: Default::default(),
            proof: Some(Proof::BLOCKS),
            sources: Vec::new(),
            seconds: 1.0,
            files: None,
            omitted: 0,
            deleted: 0,
            missing: Default::default(),
            extracted: None,
        }
    }

    fn job() -> NewJob {
        let address = "fdsp+plain://sesame-sesame-sesame@nas/a%20b";
        NewJob::new(Locator::parse(address).expect("an address"), "/d")
    }

    #[test]
    fn placeholders_are_filled_once_and_with_the_bytes_of_names() {
        let facts = Facts::of_done(&finished(b"/d/{size} $(x)\n\xff"), Some(&job()));
        assert_eq!(facts.fill("{path}"), OsStr::from_bytes(b"/d/{size} $(x)\n\xff"));
        assert_eq!(
            facts.fill("--x={name}:{size}:{digest}"),
            OsStr::from_bytes(b"--x={size} $(x)\n\xff:7:abc")
        );
        assert_eq!(facts.fill("{url} {proof}{error}"), "fdsp+plain://nas:7878/a%20b verified");
        for argument in
            ["", "{", "}", "{}", "{Path}", "{ path}", "{{path", "${TUI_PATH}", "{print $1}", "ü{ü}"]
        {
            assert_eq!(facts.fill(argument), argument);
        }
        assert_eq!(facts.fill("{{size}}"), "{7}");
    }

    #[test]
    fn the_environment_has_the_same_values_and_the_event() {
        let trouble = Trouble::new(TroubleKind::Disk, "no space left");
        let facts = Facts::of_failed(&SafeText::new("a b"), &trouble, Some(&job()));
        let environment: Vec<_> = facts.environment().collect();
        let expected = [
            ("TUI_PATH", ""),
            ("TUI_NAME", "a b"),
            ("TUI_DIGEST", ""),
            ("TUI_SIZE", ""),
            ("TUI_URL", "fdsp+plain://nas:7878/a%20b"),
            ("TUI_ERROR", "no space left"),
            ("TUI_PROOF", ""),
            ("TUI_EVENT", "failed"),
        ];
        assert_eq!(environment, expected.map(|(name, value)| (name.to_owned(), OsString::from(value))));
        assert_eq!(facts.what(), "on_failed of a b");
        assert_eq!(Facts::idle().what(), "on_idle");
    }
}
