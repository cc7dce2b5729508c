import { NodeProgram } from 'sigma/rendering';
import type { ProgramInfo } from 'sigma/rendering';
import type { NodeDisplayData, RenderParams } from 'sigma/types';
import { floatColor } from 'sigma/utils';
import { cameraSource, cameraUniforms, numbers, packedColor, setCamera } from './camera-program.ts';

/** What sigma hands on of a node, beside what it knows itself. */
export interface DrawnNodeData extends NodeDisplayData {
  /** Index of the outline: 0 circle, 1 square, 2 diamond, 3 hexagon. */
  readonly shape: number;
  readonly rim: string;
}

const vertexShader = /* glsl */ `
attribute vec4 a_id;
attribute vec4 a_color;
attribute vec4 a_rim;
attribute vec2 a_position;
attribute float a_size;
attribute float a_shape;
attribute vec2 a_corner;

${cameraSource}
varying vec4 v_color;
varying vec4 v_rim;
varying vec2 v_from;
varying float v_radius;
varying float v_shape;

void main() {
  float radius = radiusOf(a_size);
  v_from = a_corner * (radius * 1.3 + 1.0);
  gl_Position = projected(placed(a_position) + v_from);
  v_radius = radius;
  v_shape = a_shape;
  v_rim = painted(a_rim);
  v_color = shown(a_id, a_color);
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
export class ShapeNodeProgram extends NodeProgram<(typeof cameraUniforms)[number]> {
  getDefinition() {
    return {
      VERTICES: 6,
      VERTEX_SHADER_SOURCE: vertexShader,
      FRAGMENT_SHADER_SOURCE: fragmentShader,
      METHOD: WebGLRenderingContext.TRIANGLES,
      UNIFORMS: cameraUniforms,
      ATTRIBUTES: [
        numbers('a_position', 2),
        numbers('a_size', 1),
        numbers('a_shape', 1),
        packedColor('a_color'),
        packedColor('a_rim'),
        packedColor('a_id'),
      ],
      CONSTANT_ATTRIBUTES: [numbers('a_corner', 2)],
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

  setUniforms(params: RenderParams, info: ProgramInfo<(typeof cameraUniforms)[number]>): void {
    setCamera(params, info);
  }
}
