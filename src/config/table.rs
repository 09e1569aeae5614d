//! The one table of settings: it reads the file, names the variables of the environment, and is what
//! `default.toml` is held against.

use tracing::Level;

use super::{
    Settings, When,
    value::{Read, Value},
};
use crate::{
    client::{Existing, Form, Names, Speak},
    protocol::classic::Dialect,
    server::Arch,
    storage::root::Links,
};

/// A setting.
pub(super) struct Setting {
    /// `section.key`.
    pub(super) name: &'static str,
    /// Reads a value into the settings.
    pub(super) set: fn(&mut Settings, &Value<'_>) -> Read<()>,
}

/// The sections with settings of this table; `[keys]` has the actions' own.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    ["client", "server", "screen", "log"].into_iter()
}

/// A setting, or a sentence that says which ones there are.
pub(super) fn find(section: &str, key: &str) -> Result<&'static Setting, String> {
    let of_section = |setting: &'static Setting| {
        setting.name.strip_prefix(section)?.strip_prefix('.').map(|key| (key, setting))
    };
    let settings = SETTINGS.iter().filter_map(of_section);
    if let Some((_, setting)) = settings.clone().find(|(known, _)| *known == key) {
        return Ok(setting);
    }
    let known = settings.map(|(key, _)| key).collect::<Vec<_>>().join(", ");
    Err(format!("'{section}.{key}' is not a setting; [{section}] has {known}"))
}

/// The setting that a variable of the environment names: `FDSP_SECTION_KEY`. `None` where it names no section, for
/// then it is not meant as a setting.
pub(super) fn of_variable(name: &str) -> Option<Result<&'static Setting, String>> {
    let (section, key) = name.strip_prefix("FDSP_")?.split_once('_')?;
    let section = sections().find(|known| known.to_ascii_uppercase() == section)?;
    // A name in mixed case would not have been read as the one in capitals.
    let lower = key.to_ascii_lowercase();
    Some(find(section, if key == lower.to_ascii_uppercase() { &lower } else { key }))
}

/// When to do something.
pub(crate) const WHEN: &[(&str, When)] =
    &[("auto", When::Auto), ("always", When::Always), ("never", When::Never)];

/// The forms in which a directory may come.
pub(crate) const FORMS: &[(&str, Form)] = &[("auto", Form::Auto), ("zip", Form::Zip), ("tree", Form::Tree)];

/// What a client may speak.
pub(crate) const PROTOCOLS: &[(&str, Speak)] = &[
    ("v1", Speak::V1),
    ("classic", Speak::Classic(Dialect::Classic)),
    ("classic-select", Speak::Classic(Dialect::ClassicSelect)),
];

/// Which names are taken.
pub(crate) const NAMES: &[(&str, Names)] = &[("exact", Names::Exact), ("portable", Names::Portable)];

/// What happens when the target exists.
const EXISTING: &[(&str, Existing)] = &[
    ("keep", Existing::Keep),
    ("overwrite", Existing::Overwrite),
    ("rename", Existing::Rename),
    ("update", Existing::Update),
];

/// Which links a server follows.
pub(crate) const LINKS: &[(&str, Links)] = &[("inside", Links::Inside), ("never", Links::Never)];

/// Whether a server serves what begins with a dot.
pub(crate) const HIDDEN: &[(&str, bool)] = &[("serve", true), ("never", false)];

const ARCHS: &[(&str, Arch)] =
    &[("single", Arch::Single), ("threads", Arch::Threads), ("select", Arch::Select), ("async", Arch::Async)];

const DIALECTS: &[(&str, Option<Dialect>)] =
    &[("auto", None), ("classic", Some(Dialect::Classic)), ("classic-select", Some(Dialect::ClassicSelect))];

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

/// Makes the setters short: `s` are the settings, `v` is the value.
macro_rules! settings {
    ($($name:literal: |$s:ident, $v:ident| $place:expr => $value:expr;)*) => {
        &[$(Setting { name: $name, set: |$s, $v| { $place = $value; Ok(()) } }),*]
    };
}

/// Every setting.
pub(super) static SETTINGS: &[Setting] = settings! {
    "client.host": |s, v| s.client.host => v.text()?;
    "client.port": |s, v| s.client.port => v.port(1)?;
    "client.plain": |s, v| s.client.plain => v.boolean()?;
    "client.token_file": |s, v| s.client.token_file => v.path()?;
    "client.accept_new": |s, v| s.client.accept_new => v.boolean()?;
    "client.dir": |s, v| s.client.dir => v.path()?.unwrap_or_else(|| ".".into());
    "client.as": |s, v| s.client.form => v.choice(FORMS)?;
    "client.protocol": |s, v| s.client.protocol => v.choice(PROTOCOLS)?;
    "client.jobs": |s, v| s.client.jobs => v.count(1..=64)? as usize;
    "client.segments": |s, v| s.client.segments => v.count(1..=16)? as usize;
    "client.limit": |s, v| s.client.limit => v.rate()?;
    "client.retries": |s, v| s.client.retries => v.count(0..=1000)? as u32;
    "client.retry_max_time": |s, v| s.client.retry_max_time => v.seconds_or_zero()?;
    "client.timeout": |s, v| s.client.timeout => v.seconds()?;
    "client.speed_limit": |s, v| s.client.speed_limit => v.rate()?.unwrap_or(0);
    "client.speed_time": |s, v| s.client.speed_time => v.seconds_or_zero()?;
    "client.sync": |s, v| s.client.sync => v.boolean()?;
    "client.existing": |s, v| s.client.existing => v.choice(EXISTING)?;
    "client.extract": |s, v| s.client.extract => v.boolean()?;
    "client.extract_entries": |s, v| s.client.extract_limits.entries => v.count(1..=10_000_000)?;
    "client.extract_bytes": |s, v| s.client.extract_limits.bytes => Some(v.count(0..=u64::MAX)?).filter(|&most| most > 0);
    "client.extract_ratio": |s, v| s.client.extract_limits.ratio => v.count(1..=u64::MAX)?;
    "client.names": |s, v| s.client.names => v.choice(NAMES)?;
    "client.allow_missing": |s, v| s.client.allow_missing => v.boolean()?;
    "server.host": |s, v| s.server.host => v.text()?.unwrap_or_else(|| "127.0.0.1".into());
    "server.port": |s, v| s.server.port => v.port(0)?;
    "server.arch": |s, v| s.server.arch => v.choice(ARCHS)?;
    "server.plain": |s, v| s.server.plain => v.boolean()?;
    "server.tls_cert": |s, v| s.server.tls_cert => v.path()?;
    "server.tls_key": |s, v| s.server.tls_key => v.path()?;
    "server.public": |s, v| s.server.public => v.boolean()?;
    "server.token_file": |s, v| s.server.token_file => v.path()?;
    "server.print_token": |s, v| s.server.print_token => v.boolean()?;
    "server.max_connections": |s, v| s.server.limits.max_connections => v.count(1..=100_000)? as usize;
    "server.max_per_address": |s, v| s.server.limits.max_per_address => v.count(1..=100_000)? as usize;
    "server.max_requests": |s, v| s.server.limits.max_requests => v.count(1..=u64::MAX)?;
    "server.max_archives": |s, v| s.server.limits.max_archives => v.count(1..=100_000)? as usize;
    "server.max_hashing": |s, v| s.server.limits.max_hashing => v.count(1..=100_000)? as usize;
    "server.pipeline": |s, v| s.server.limits.pipeline => v.count(1..=100_000)? as u32;
    "server.page": |s, v| s.server.limits.page => v.count(1..=4096)? as usize;
    "server.limit": |s, v| s.server.limits.rate => v.rate()?;
    "server.limit_each": |s, v| s.server.limits.rate_each => v.rate()?;
    "server.classic": |s, v| s.server.classic => v.boolean()?;
    "server.classic_dialect": |s, v| s.server.classic_dialect => v.choice(DIALECTS)?;
    "server.symlinks": |s, v| s.server.policy.links => v.choice(LINKS)?;
    "server.hidden": |s, v| s.server.policy.hidden => v.choice(HIDDEN)?;
    "server.one_file_system": |s, v| s.server.policy.one_file_system => v.boolean()?;
    "server.handshake_timeout": |s, v| s.server.limits.handshake => v.seconds()?;
    "server.idle_timeout": |s, v| s.server.limits.idle => v.seconds()?;
    "server.min_rate": |s, v| s.server.limits.min_rate => v.rate()?.unwrap_or(0);
    "server.rate_window": |s, v| s.server.limits.rate_window => v.seconds()?;
    "server.drain_timeout": |s, v| s.server.limits.drain => v.seconds()?;
    "screen.color": |s, v| s.screen.color => v.choice(WHEN)?;
    "screen.ascii": |s, v| s.screen.ascii => v.choice(WHEN)?;
    "screen.frames": |s, v| s.screen.frames => v.count(1..=10)? as u32;
    "screen.bell": |s, v| s.screen.bell => v.boolean()?;
    "log.level": |s, v| s.log.level => v.choice(LEVELS)?;
    "log.folder": |s, v| s.log.folder => v.path()?;
    "log.files": |s, v| s.log.files => v.count(1..=1000)? as usize;
};
