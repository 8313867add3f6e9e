//! Workspace images.

use serde_json::{Map, Value, json};

use crate::answer::object;
use crate::id::Id;

/// One workspace.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) friendly_name: String,
    pub(crate) description: String,
    pub(crate) image_type: String,
    pub(crate) image_src: String,
    pub(crate) docker_registry: String,
    pub(crate) docker_user: Option<String>,
    pub(crate) docker_token: Option<String>,
    pub(crate) cores: f64,
    pub(crate) memory: u64,
    pub(crate) cpu_allocation_method: String,
    pub(crate) gpu_count: u64,
    pub(crate) require_gpu: bool,
    pub(crate) uncompressed_size_mb: u64,
    pub(crate) enabled: bool,
    pub(crate) available: bool,
    pub(crate) hidden: bool,
    pub(crate) persistent_profile_path: Option<String>,
    pub(crate) categories: Vec<Value>,
    pub(crate) run_config: Map<String, Value>,
    pub(crate) exec_config: Map<String, Value>,
    pub(crate) volume_mappings: Map<String, Value>,
    pub(crate) notes: Option<String>,
}

impl Image {
    /// A container image that can be started at once.
    pub(crate) fn new(id: Id, name: &str, friendly_name: &str) -> Self {
        let file = friendly_name.to_lowercase().replace(' ', "-");
        Self {
            id,
            name: name.to_owned(),
            friendly_name: friendly_name.to_owned(),
            description: String::new(),
            image_type: "Container".to_owned(),
            image_src: format!("img/thumbnails/{file}.png"),
            docker_registry: "https://index.docker.io/v1/".to_owned(),
            docker_user: None,
            docker_token: None,
            cores: 2.0,
            memory: 2_768_000_000,
            cpu_allocation_method: "Inherit".to_owned(),
            gpu_count: 0,
            require_gpu: false,
            uncompressed_size_mb: 0,
            enabled: true,
            available: true,
            hidden: false,
            persistent_profile_path: None,
            categories: Vec::new(),
            run_config: Map::new(),
            exec_config: Map::new(),
            volume_mappings: Map::new(),
            notes: None,
        }
    }

    pub(crate) fn is_container(&self) -> bool {
        self.image_type == "Container"
    }

    /// The short form inside a session.
    pub(crate) fn brief_json(&self) -> Value {
        json!({
            "image_id": self.id.to_string(),
            "name": self.name,
            "friendly_name": self.friendly_name,
            "image_src": self.image_src,
        })
    }

    /// The full form of the image endpoints, secrets included.
    pub(crate) fn json(&self) -> Value {
        let mut whole = self.placement_json();
        whole.extend(self.configuration_json());
        Value::Object(whole)
    }

    fn configuration_json(&self) -> Map<String, Value> {
        object(json!({
            "image_id": self.id.to_string(),
            "name": self.name,
            "friendly_name": self.friendly_name,
            "description": self.description,
            "image_type": self.image_type,
            "image_src": self.image_src,
            "hash": format!("sha256:{}{}", self.id, self.id),
            "docker_registry": self.docker_registry,
            "docker_user": self.docker_user,
            "docker_token": self.docker_token,
            "uncompressed_size_mb": self.uncompressed_size_mb,
            "cores": self.cores,
            "memory": self.memory,
            "cpu_allocation_method": self.cpu_allocation_method,
            "require_gpu": self.require_gpu,
            "gpu_count": self.gpu_count,
            "enabled": self.enabled,
            "available": self.available,
            "hidden": self.hidden,
            "x_res": 800,
            "y_res": 600,
            "categories": self.categories,
            "default_category": self.categories.first(),
            "run_config": self.run_config,
            "exec_config": self.exec_config,
            "launch_config": {},
            "volume_mappings": self.volume_mappings,
            "persistent_profile_path": self.persistent_profile_path,
            "persistent_profile_config": {},
            "notes": self.notes,
        }))
    }

    fn placement_json(&self) -> Map<String, Value> {
        object(json!({
            "zone_id": null,
            "zone_name": null,
            "server_id": null,
            "server_pool_id": null,
            "server": null,
            "server_pool": null,
            "restrict_to_zone": false,
            "restrict_to_server": false,
            "restrict_to_network": false,
            "restrict_network_names": [],
            "allow_network_selection": false,
            "override_egress_gateways": false,
            "session_time_limit": null,
            "filter_policy_id": null,
            "filter_policy_name": null,
            "include_labels": [],
            "exclude_labels": [],
            "is_remote_app": false,
            "remote_app_name": null,
            "link_url": null,
            "imageAttributes": self.attributes_json(),
        }))
    }

    /// The services of a container, as the port map is declared.
    fn attributes_json(&self) -> Value {
        if !self.is_container() {
            return json!([]);
        }
        let services = [
            ("vnc", "6901/tcp"),
            ("audio", "4901/tcp"),
            ("uploads", "4902/tcp"),
        ];
        let attribute = |(name, value): (&str, &str)| {
            json!({
                "attr_id": format!("{}0000{}", &self.id.to_string()[..24], &value[..4]),
                "image_id": self.id.to_string(),
                "name": name,
                "category": "port_map",
                "value": value,
            })
        };
        services.map(attribute).into_iter().collect()
    }
}
