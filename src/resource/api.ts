/** The API group and version of every resource of this product. */
export const API_GROUP = "tributary.dev";
export const API_VERSION = "tributary.dev/v1alpha1";
