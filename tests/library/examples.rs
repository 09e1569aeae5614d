//! The examples of `docs/examples` work.

#[path = "../../docs/examples/fetch.rs"]
mod fetch;
#[path = "../../docs/examples/protocol.rs"]
mod protocol;
#[path = "../../docs/examples/serve.rs"]
mod serve;

#[test]
fn a_folder_is_served_from_threads() {
    serve::main().unwrap();
}

#[test]
fn a_file_is_fetched_with_progress() {
    fetch::main().unwrap();
}

#[test]
fn the_machines_are_driven_by_hand() {
    protocol::main().unwrap();
}
