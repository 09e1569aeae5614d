//! The flags put into the settings, and those that have no place there.

use tracing::Level;

use super::{Cli, UsageError, plan::wrong};
use crate::{
    client::Existing,
    config::{Settings, When},
};

impl Cli {
    /// Options that mean nothing for what is to be done are an error and not left unheard.
    pub(super) fn misplaced(&self) -> Result<(), UsageError> {
        let (client, server, limits) = (&self.client, &self.server, &self.limits);
        let of_one_download = [
            ("--remote", client.remote.is_some()),
            ("--local", client.local.is_some()),
            ("--checksum", client.checksum.is_some()),
        ];
        let of_fetching = [
            ("--dir", client.dir.is_some()),
            ("--as", client.form.is_some()),
            ("--jobs", client.jobs.is_some()),
            ("--segments", client.segments.is_some()),
            ("--retries", client.retries.is_some()),
            ("--retry-max-time", client.retry_max_time.is_some()),
            ("--speed-limit", client.speed_limit.is_some()),
            ("--speed-time", client.speed_time.is_some()),
            ("--timeout", client.timeout.is_some()),
            ("--no-sync", client.no_sync),
            ("--overwrite", client.overwrite),
            ("--rename", client.rename),
            ("--update", client.update),
            ("--extract", client.extract),
            ("--names", client.names.is_some()),
            ("--allow-missing", client.allow_missing),
            ("--protocol", client.protocol.is_some()),
            ("--pin", client.pin.is_some()),
            ("--accept-new", client.accept_new),
        ];
        let of_a_session = [("--session", client.session.is_some()), ("--paused", client.paused)];
        let of_serving = [
            ("--arch", server.arch.is_some()),
            ("--classic", server.classic),
            ("--classic-dialect", server.classic_dialect.is_some()),
            ("--tls-cert", server.tls_cert.is_some()),
            ("--tls-key", server.tls_key.is_some()),
            ("--public", server.public),
            ("--print-token", server.print_token),
            ("--symlinks", server.symlinks.is_some()),
            ("--hidden", server.hidden.is_some()),
            ("--one-file-system", server.one_file_system),
            ("--max-connections", limits.max_connections.is_some()),
            ("--max-per-address", limits.max_per_address.is_some()),
            ("--max-requests", limits.max_requests.is_some()),
            ("--max-archives", limits.max_archives.is_some()),
            ("--max-hashing", limits.max_hashing.is_some()),
            ("--pipeline", limits.pipeline.is_some()),
            ("--page", limits.page.is_some()),
            ("--limit-each", limits.limit_each.is_some()),
            ("--handshake-timeout", limits.handshake_timeout.is_some()),
            ("--idle-timeout", limits.idle_timeout.is_some()),
            ("--min-rate", limits.min_rate.is_some()),
            ("--rate-window", limits.rate_window.is_some()),
            ("--drain-timeout", limits.drain_timeout.is_some()),
        ];
        let given = |options: &[(&'static str, bool)]| {
            options.iter().find(|(_, given)| *given).map(|(name, _)| *name)
        };
        if server.serve {
            if let Some(name) =
                given(&of_one_download).or_else(|| given(&of_fetching)).or_else(|| given(&of_a_session))
            {
                let instead = if name == "--dir" { "; name the folder without it: --serve DIR" } else { "" };
                return wrong(format!("{name} is for fetching and cannot be used with --serve{instead}"));
            }
        } else if server.demo {
            let place = [
                ("--host", self.place.host.is_some()),
                ("--port", self.place.port.is_some()),
                ("--pin", client.pin.is_some()),
                ("--accept-new", client.accept_new),
                ("--token", self.common.token.is_some()),
                ("--token-file", self.common.token_file.is_some()),
                ("--tls-cert", server.tls_cert.is_some()),
                ("--tls-key", server.tls_key.is_some()),
                ("--public", server.public),
                ("--print-token", server.print_token),
            ];
            if let Some(name) =
                given(&of_one_download).or_else(|| given(&place)).or_else(|| given(&of_a_session))
            {
                return wrong(format!(
                    "{name} cannot be used with --demo, which brings its own server and downloads"
                ));
            }
        } else if let Some(name) = given(&of_serving) {
            return wrong(format!("{name} is for serving: add --serve, or leave it out"));
        }
        Ok(())
    }

    /// Flags win over all settings.
    pub(super) fn overlay(&self, settings: &mut Settings) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let (client, server) = (&mut settings.client, &mut settings.server);
        if self.server.serve {
            set(&mut server.host, self.place.host.clone());
            set(&mut server.port, self.place.port);
            set(&mut server.limits.rate, self.common.limit.map(|rate| rate.0));
        } else {
            set(&mut client.host, self.place.host.clone().map(Some));
            set(&mut client.port, self.place.port);
            set(&mut client.limit, self.common.limit.map(|rate| rate.0));
        }
        set(&mut client.dir, self.client.dir.clone());
        set(&mut client.form, self.client.form);
        set(&mut client.jobs, self.client.jobs.map(|jobs| jobs as usize));
        set(&mut client.segments, self.client.segments.map(|segments| segments as usize));
        set(&mut client.retries, self.client.retries);
        let retry_max_time = self.client.retry_max_time;
        set(&mut client.retry_max_time, retry_max_time.map(|time| (!time.is_zero()).then_some(time)));
        set(&mut client.timeout, self.client.timeout);
        set(&mut client.speed_limit, self.client.speed_limit.map(|rate| rate.0.unwrap_or(0)));
        set(&mut client.speed_time, self.client.speed_time.map(Some));
        set(&mut client.protocol, self.client.protocol);
        set(&mut client.sync, self.client.no_sync.then_some(false));
        set(&mut client.existing, self.client.overwrite.then_some(Existing::Overwrite));
        set(&mut client.existing, self.client.rename.then_some(Existing::Rename));
        set(&mut client.existing, self.client.update.then_some(Existing::Update));
        set(&mut client.extract, self.client.extract.then_some(true));
        set(&mut client.names, self.client.names);
        set(&mut client.allow_missing, self.client.allow_missing.then_some(true));
        set(&mut client.accept_new, self.client.accept_new.then_some(true));
        set(&mut client.plain, self.common.plain.then_some(true));
        set(&mut server.plain, self.common.plain.then_some(true));
        set(&mut server.tls_cert, self.server.tls_cert.clone().map(Some));
        set(&mut server.tls_key, self.server.tls_key.clone().map(Some));
        set(&mut server.public, self.server.public.then_some(true));
        set(&mut server.print_token, self.server.print_token.then_some(true));
        set(&mut server.arch, self.server.arch);
        set(&mut server.classic, self.server.classic.then_some(true));
        set(&mut server.classic_dialect, self.server.classic_dialect.map(Some));
        set(&mut server.policy.links, self.server.symlinks);
        set(&mut server.policy.hidden, self.server.hidden);
        set(&mut server.policy.one_file_system, self.server.one_file_system.then_some(true));
        let (limits, given) = (&mut server.limits, &self.limits);
        set(&mut limits.max_connections, given.max_connections.map(|count| count as usize));
        set(&mut limits.max_per_address, given.max_per_address.map(|count| count as usize));
        set(&mut limits.max_requests, given.max_requests);
        set(&mut limits.max_archives, given.max_archives.map(|count| count as usize));
        set(&mut limits.max_hashing, given.max_hashing.map(|count| count as usize));
        set(&mut limits.pipeline, given.pipeline);
        set(&mut limits.page, given.page.map(|count| count as usize));
        set(&mut limits.rate_each, given.limit_each.map(|rate| rate.0));
        set(&mut limits.handshake, given.handshake_timeout);
        set(&mut limits.idle, given.idle_timeout);
        set(&mut limits.min_rate, given.min_rate.map(|rate| rate.0.unwrap_or(0)));
        set(&mut limits.rate_window, given.rate_window);
        set(&mut limits.drain, given.drain_timeout);
        set(&mut settings.screen.color, self.common.color);
        set(&mut settings.screen.ascii, self.common.ascii.then_some(When::Always));
        set(
            &mut settings.log.level,
            match self.common.verbose {
                0 => None,
                1 => Some(Level::DEBUG),
                _ => Some(Level::TRACE),
            },
        );
    }
}
