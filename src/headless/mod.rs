//! The engines without a screen.
