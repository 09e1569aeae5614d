//! The macro that declares a section of settings.

/// Declares one section of the configuration from one row for each setting: its documentation, its option on the command line (or
/// `skip`), its name, its type and its default.
///
/// It makes two structs. The first is a layer, the settings of one source: every field is an `Option`. clap fills it from the command line,
/// [`set`](super::options::LogOptions::set) from the file and the environment, and `combine` puts one layer over another. The second
/// has the value of every setting, by default that of its row.
macro_rules! section {
    ($(#[doc = $about:literal])* $layer:ident => $settings:ident {
        $($(#[doc = $doc:literal])* #[arg($($arg:tt)*)] $field:ident $(as $key:literal)? : $type:ty = $default:expr;)*
    }) => {
        $(#[doc = $about])*
        ///
        /// A layer: the settings of one source.
        #[derive(Clone, Debug, Default, PartialEq, clap::Args)]
        pub struct $layer {
            $($(#[doc = $doc])* #[arg($($arg)*)] pub $field: Option<$type>,)*
        }

        impl $layer {
            /// The names of the settings.
            pub(super) const KEYS: &[&str] = &[$(section!(@key $field $($key)?)),*];

            /// Sets the setting `key`; `None` if there is no such setting. The error says what the value must be.
            pub(super) fn set(&mut self, key: &str, value: &$crate::app::config::value::Value<'_>) -> Option<Result<(), String>> {
                match key {
                    $(section!(@key $field $($key)?) => {
                        Some($crate::app::config::value::Setting::read(value).map(|value| self.$field = Some(value)))
                    })*
                    _ => None,
                }
            }

            /// Whether this layer sets the setting `key`.
            pub(super) fn has(&self, key: &str) -> bool {
                match key {
                    $(section!(@key $field $($key)?) => self.$field.is_some(),)*
                    _ => false,
                }
            }

            /// Combines this layer with a lower one.
            pub(super) fn combine(self, lower: $layer) -> $layer {
                $layer { $($field: self.$field.or(lower.$field),)* }
            }
        }

        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $settings {
            $($(#[doc = $doc])* pub $field: $type,)*
        }

        impl From<$layer> for $settings {
            fn from(layer: $layer) -> $settings {
                $settings { $($field: layer.$field.unwrap_or_else(|| $default),)* }
            }
        }

        impl $settings {
            /// Each setting, and its value as a file has it.
            pub(super) fn written(&self) -> impl Iterator<Item = (&'static str, String)> {
                [$((section!(@key $field $($key)?), $crate::app::config::value::Setting::written(&self.$field))),*].into_iter()
            }
        }

        impl Default for $settings {
            fn default() -> $settings {
                $layer::default().into()
            }
        }
    };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}

pub(super) use section;
