import type { ProgramInfo } from 'sigma/rendering';
import type { RenderParams } from 'sigma/types';

/** Radius in pixels: nodes grow with the zoom only between these. */
export const nodeRadiusLimits = { least: 3.5, most: 26 };

/** What both programs are told of the view before they draw. */
export const cameraUniforms = ['u_matrix', 'u_sizeRatio', 'u_viewport', 'u_pixelRatio', 'u_nodeRadius'] as const;
type CameraProgram = ProgramInfo<(typeof cameraUniforms)[number]>;

/** GLSL: the uniforms, where a node stands in pixels from the middle, how large it is, and colours as the canvas wants them. */
export const cameraSource = /* glsl */ `
uniform mat3 u_matrix;
uniform float u_sizeRatio;
uniform vec2 u_viewport;
uniform float u_pixelRatio;
uniform vec2 u_nodeRadius;

vec2 placed(vec2 position) {
  return (u_matrix * vec3(position, 1.0)).xy * u_viewport * 0.5;
}

vec4 projected(vec2 place) {
  return vec4(place / (u_viewport * 0.5), 0.0, 1.0);
}

float radiusOf(float size) {
  return clamp(size / u_sizeRatio, u_nodeRadius.x, u_nodeRadius.y);
}

// sigma packs colours into floats, which leaves out the highest opacity
vec4 unpacked(vec4 color) {
  return vec4(color.rgb, color.a * 255.0 / 254.0);
}

// the canvas expects colours multiplied by their opacity
vec4 painted(vec4 color) {
  vec4 whole = unpacked(color);
  return vec4(whole.rgb * whole.a, whole.a);
}

vec4 shown(vec4 id, vec4 color) {
  #ifdef PICKING_MODE
  return unpacked(id);
  #else
  return painted(color);
  #endif
}
`;

export function setCamera(params: RenderParams, { gl, uniformLocations }: CameraProgram): void {
  gl.uniformMatrix3fv(uniformLocations.u_matrix, false, params.matrix);
  gl.uniform1f(uniformLocations.u_sizeRatio, params.sizeRatio);
  gl.uniform1f(uniformLocations.u_pixelRatio, params.pixelRatio);
  gl.uniform2f(uniformLocations.u_viewport, params.width, params.height);
  gl.uniform2f(uniformLocations.u_nodeRadius, nodeRadiusLimits.least, nodeRadiusLimits.most);
}

/** An attribute of so many numbers, as sigma fills its arrays in this order. */
export function numbers(name: string, size: number) {
  return { name, size, type: WebGLRenderingContext.FLOAT };
}

/** An attribute that is a colour, packed into one number. */
export function packedColor(name: string) {
  return { name, size: 4, type: WebGLRenderingContext.UNSIGNED_BYTE, normalized: true };
}
