//! Route configurations put together from encoded virtual hosts.

use super::given::{reviews, routes};
use mesh_model::{Kind, ObjectRef};
use mesh_proto::envoy::config::route::v3::RouteConfiguration;
use pilot_envoy::{Memo, build_route_configuration, build_virtual_host, inline_routes};
use pilot_view::spec::{RouteConfigurationSpec, VirtualHostSpec};
use pilot_xds::resource::ResourceType;
use prost::Message;

#[test]
fn virtual_hosts_are_appended_as_they_are() {
    let memo = Memo::new();
    let spec = RouteConfigurationSpec { vhds: true, ..routes(Vec::new()) };
    let shaped = |name: &str| {
        let object = ObjectRef::new(Kind::VirtualService, "shop", name);
        VirtualHostSpec { name: name.into(), origins: [object].into(), ..reviews() }
    };
    let (a, b) = (shaped("a:80"), shaped("b:80"));
    let inline = inline_routes(&spec, &[memo.get(&a), memo.get(&b), memo.get(&reviews())]);
    assert_eq!(inline.kind(), ResourceType::InlineRoute);
    assert_eq!(&**inline.name(), "9080");
    let origins: Vec<_> = inline.origins().iter().map(|origin| &**origin).collect();
    assert_eq!(origins, ["VirtualService shop/a:80", "VirtualService shop/b:80"]);

    let mut expected = build_route_configuration(&RouteConfigurationSpec { vhds: false, ..spec });
    expected.virtual_hosts.extend([&a, &b, &reviews()].map(build_virtual_host));
    assert_eq!(RouteConfiguration::decode(inline.message()).unwrap(), expected);
}
