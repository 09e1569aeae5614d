//! `--print-config` and `--config-check`.

use std::{fs::File, path::PathBuf};

use super::{
    Cli,
    error::{UsageError, shown, wrong},
};
use crate::{
    app::config::{self, Layers, Optional, Settings},
    text::without_number,
};

impl Cli {
    /// Whether the settings are shown or checked, and nothing else is done.
    pub fn is_about_settings(&self) -> bool {
        self.common.print_config || self.common.config_check
    }

    /// The settings of the command line over these layers.
    ///
    /// # Errors
    /// Options of another task.
    pub fn settings(&self, layers: &Layers) -> Result<Settings, UsageError> {
        self.check_placement()?;
        Ok(self.options()?.combine(layers.combined()).into())
    }

    /// What `--print-config` or `--config-check` prints, once the settings are found to be right.
    ///
    /// # Errors
    /// A file that a setting names cannot be read.
    pub fn report(&self, settings: &Settings, layers: &Layers) -> Result<String, UsageError> {
        if self.common.print_config {
            return Ok(config::print(&self.options()?, layers));
        }
        check_named_files(settings)?;
        Ok(match &layers.path {
            Some(path) if path.exists() => {
                format!("the settings are right; the file is '{}'\n", shown(path.as_os_str()))
            }
            Some(path) => format!("the settings are right; there is no '{}'\n", shown(path.as_os_str())),
            None => "the settings are right; there is no file of settings\n".to_owned(),
        })
    }
}

fn check_named_files(settings: &Settings) -> Result<(), UsageError> {
    let (client, server) = (&settings.client, &settings.server);
    let named: [(&str, &Optional<PathBuf>); 5] = [
        ("client.token_file", &client.token_file),
        ("client.ca_file", &client.ca_file),
        ("server.token_file", &server.token_file),
        ("server.tls_cert", &server.tls_cert),
        ("server.tls_key", &server.tls_key),
    ];
    for (setting, Optional(path)) in named {
        let Some(path) = path else { continue };
        if let Err(error) = File::open(path) {
            let (path, error) = (shown(path.as_os_str()), without_number(&error.to_string()));
            return wrong(format!("'{setting}': cannot read '{path}': {error}"));
        }
    }
    Ok(())
}
