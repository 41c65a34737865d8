use super::*;

#[test]
fn a_server_is_called_by_its_url() {
    for (url, resource) in [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("https://h/mcp", "https://h/mcp"),
        ("https://h/mcp/", "https://h/mcp/"),
        ("https://h/mcp?key=1#y", "https://h/mcp"),
    ] {
        assert_eq!(own_resource(&Url::parse(url).unwrap()), resource);
    }
}
