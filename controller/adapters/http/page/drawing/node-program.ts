import { NodeProgram } from 'sigma/rendering';
import type { ProgramInfo } from 'sigma/rendering';
import type { NodeDisplayData, RenderParams } from 'sigma/types';
import { floatColor } from 'sigma/utils';

/** What sigma hands on of a node, beside what it knows itself. */
export interface DrawnNodeData extends NodeDisplayData {
  /** Index of the outline: 0 circle, 1 square, 2 diamond, 3 hexagon. */
  readonly shape: number;
  readonly rim: string;
}

/** Radius in pixels: nodes grow with the zoom only between these. */
export const nodeRadiusLimits = { least: 3.5, most: 26 };

const uniforms = ['u_matrix', 'u_sizeRatio', 'u_viewport', 'u_nodeRadius'] as const;

const vertexShader = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_color;
attribute vec4 a_rim;
attribute vec2 a_position;
attribute float a_size;
attribute float a_shape;
attribute vec2 a_corner;

uniform mat3 u_matrix;
uniform float u_sizeRatio;
uniform vec2 u_viewport;
uniform vec2 u_nodeRadius;

varying vec4 v_color;
varying vec4 v_rim;
varying vec2 v_from;
varying float v_radius;
varying float v_shape;

const float bias = 255.0 / 254.0;

void main() {
  float radius = clamp(a_size / u_sizeRatio, u_nodeRadius.x, u_nodeRadius.y);
  vec2 center = (u_matrix * vec3(a_position, 1.0)).xy;
  v_from = a_corner * (radius * 1.3 + 1.0);
  gl_Position = vec4(center + v_from / (u_viewport * 0.5), 0.0, 1.0);
  v_radius = radius;
  v_shape = a_shape;
  v_rim = a_rim;
  v_rim.a *= bias;
  v_rim.rgb *= v_rim.a;
  #ifdef PICKING_MODE
  v_color = a_id;
  #else
  v_color = a_color;
  #endif
  v_color.a *= bias;
  #ifndef PICKING_MODE
  // the canvas expects colours multiplied by their opacity
  v_color.rgb *= v_color.a;
  #endif
}
`;

const fragmentShader = /* glsl */ `
precision highp float;

varying vec4 v_color;
varying vec4 v_rim;
varying vec2 v_from;
varying float v_radius;
varying float v_shape;

void main() {
  vec2 at = abs(v_from);
  float away;
  if (v_shape < 0.5) away = length(at) - v_radius;
  else if (v_shape < 1.5) away = max(at.x, at.y) - v_radius * 0.86;
  else if (v_shape < 2.5) away = (at.x + at.y) * 0.7071 - v_radius * 0.86;
  else away = max(at.y * 0.866 + at.x * 0.5, at.x) - v_radius * 0.95;

  #ifdef PICKING_MODE
  if (away > 2.0) discard;
  gl_FragColor = v_color;
  #else
  float rimWidth = clamp(v_radius * 0.22, 1.2, 2.5);
  float inside = clamp(0.5 - away, 0.0, 1.0);
  if (inside < 0.01) discard;
  float core = clamp(0.5 - away - rimWidth, 0.0, 1.0);
  gl_FragColor = mix(v_rim, v_color, core) * inside;
  #endif
}
`;

/** Nodes whose outline says what they are, with a rim in a colour of its own. */
export class ShapeNodeProgram extends NodeProgram<(typeof uniforms)[number]> {
  getDefinition() {
    const { FLOAT, UNSIGNED_BYTE, TRIANGLES } = WebGLRenderingContext;
    return {
      VERTICES: 6,
      VERTEX_SHADER_SOURCE: vertexShader,
      FRAGMENT_SHADER_SOURCE: fragmentShader,
      METHOD: TRIANGLES,
      UNIFORMS: uniforms,
      ATTRIBUTES: [
        { name: 'a_position', size: 2, type: FLOAT },
        { name: 'a_size', size: 1, type: FLOAT },
        { name: 'a_shape', size: 1, type: FLOAT },
        { name: 'a_color', size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: 'a_rim', size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: 'a_id', size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
      CONSTANT_ATTRIBUTES: [{ name: 'a_corner', size: 2, type: FLOAT }],
      CONSTANT_DATA: [
        [-1, -1],
        [1, -1],
        [-1, 1],
        [-1, 1],
        [1, -1],
        [1, 1],
      ],
    };
  }

  processVisibleItem(id: number, index: number, node: NodeDisplayData): void {
    const { x, y, size, shape, color, rim } = node as DrawnNodeData;
    this.array.set([x, y, size, shape, floatColor(color), floatColor(rim), id], index);
  }

  setUniforms(params: RenderParams, { gl, uniformLocations }: ProgramInfo<(typeof uniforms)[number]>): void {
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, params.matrix);
    gl.uniform1f(uniformLocations.u_sizeRatio, params.sizeRatio);
    gl.uniform2f(uniformLocations.u_viewport, params.width, params.height);
    gl.uniform2f(uniformLocations.u_nodeRadius, nodeRadiusLimits.least, nodeRadiusLimits.most);
  }
}
