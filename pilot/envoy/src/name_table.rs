//! Names. In: a [`NameSpec`]. Out: `istio.networking.nds.v1.NameTable`, for one name, or of all names at once.
//!
//! The table of all names is put together from those of the single ones as they are: their field `name_info` has the number of a map
//! entry's value.

use mesh_model::Registry;
use mesh_proto::istio::networking::nds::v1::{NameTable, name_table::NameInfo};
use pilot_view::spec::NameSpec;
use pilot_xds::resource::{Resource, ResourceType};
use prost::encoding::{WireType, encode_key, encode_varint};
use std::sync::Arc;

/// The name of the resource that has all names.
pub const NAME_TABLE: &str = "name-table";

/// Number of `NameTable.table`.
const TABLE: u32 = 1;

/// Number of a map entry's key.
const KEY: u32 = 1;

/// What the spec says, for a name that is the resource's.
pub fn build_name(spec: &NameSpec) -> NameTable {
    let NameSpec { name: _, addresses, registry, shortname, namespace } = spec;
    let registry = match registry {
        Registry::Kubernetes => "Kubernetes",
        Registry::External => "External",
    };
    let info = NameInfo {
        ips: addresses.iter().map(ToString::to_string).collect(),
        registry: registry.to_owned(),
        shortname: shortname.to_string(),
        namespace: namespace.to_string(),
    };
    NameTable { name_info: Some(info), ..NameTable::default() }
}

/// One table with these names.
pub fn name_table<'a>(names: impl Iterator<Item = &'a Arc<Resource>>) -> Arc<Resource> {
    let mut message = Vec::new();
    for name in names {
        let mut entry = Vec::with_capacity(name.name().len() + 128);
        prost::encoding::string::encode(KEY, &name.name().to_string(), &mut entry);
        entry.extend_from_slice(&name.message());
        encode_key(TABLE, WireType::LengthDelimited, &mut message);
        encode_varint(entry.len() as u64, &mut message);
        message.extend_from_slice(&entry);
    }
    Resource::new(ResourceType::NameTable, NAME_TABLE, &message, &[], Arc::new([]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Encode as _;
    use prost::Message as _;

    #[test]
    fn the_table_of_all_names_says_what_those_of_single_names_say() {
        let spec = |name: &str, addresses: &[&str]| NameSpec {
            name: name.into(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            registry: Registry::Kubernetes,
            shortname: "web".into(),
            namespace: "shop".into(),
        };
        let specs = [spec("web.shop", &["10.0.0.1", "fd00::1"]), spec("*.example.com", &["240.240.0.1"])];
        let single: Vec<_> = specs.iter().map(NameSpec::encode).collect();
        let whole = NameTable::decode(name_table(single.iter()).message()).unwrap();
        assert_eq!(whole.name_info, None);
        let wanted = specs.iter().map(|spec| (spec.name.to_string(), build_name(spec).name_info.unwrap()));
        assert_eq!(whole.table, wanted.collect());
        assert_eq!(whole.encode_to_vec().len(), name_table(single.iter()).message().len());
    }
}
