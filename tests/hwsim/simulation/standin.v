// Stands in for the accelerator in tests of the harness: the same ports, next to no hardware.
//
// Started, it reads the 32 bytes at `program` through the fetch port, writes them to `window_base` through the data
// port, and raises `irq` in cycle `program_length`: never, if that is 0, and when the write has been answered, if it is all
// ones. `window_bytes` = 0 raises a fault instead. The tests put the number of the register map for `{version}`.

`timescale 1ns/1ns

module accelerator #(
    parameter DATA_BYTES = 16,
    parameter BEATS = 32 / DATA_BYTES
) (
    input                         clk,
    input                         rst,
    output reg                    irq,

    input                  [11:0] s_axil_awaddr,
    input                   [2:0] s_axil_awprot,
    input                         s_axil_awvalid,
    output                        s_axil_awready,
    input                  [31:0] s_axil_wdata,
    input                   [3:0] s_axil_wstrb,
    input                         s_axil_wvalid,
    output                        s_axil_wready,
    output                  [1:0] s_axil_bresp,
    output reg                    s_axil_bvalid,
    input                         s_axil_bready,
    input                  [11:0] s_axil_araddr,
    input                   [2:0] s_axil_arprot,
    input                         s_axil_arvalid,
    output                        s_axil_arready,
    output reg             [31:0] s_axil_rdata,
    output                  [1:0] s_axil_rresp,
    output reg                    s_axil_rvalid,
    input                         s_axil_rready,

    output                        m_axi_fetch_arid,
    output                 [31:0] m_axi_fetch_araddr,
    output                  [7:0] m_axi_fetch_arlen,
    output                  [2:0] m_axi_fetch_arsize,
    output                  [1:0] m_axi_fetch_arburst,
    output                        m_axi_fetch_arlock,
    output                  [3:0] m_axi_fetch_arcache,
    output                  [2:0] m_axi_fetch_arprot,
    output                  [3:0] m_axi_fetch_arqos,
    output reg                    m_axi_fetch_arvalid,
    input                         m_axi_fetch_arready,
    input                         m_axi_fetch_rid,
    input      [8*DATA_BYTES-1:0] m_axi_fetch_rdata,
    input                   [1:0] m_axi_fetch_rresp,
    input                         m_axi_fetch_rlast,
    input                         m_axi_fetch_rvalid,
    output                        m_axi_fetch_rready,

    output                        m_axi_data_arid,
    output                 [31:0] m_axi_data_araddr,
    output                  [7:0] m_axi_data_arlen,
    output                  [2:0] m_axi_data_arsize,
    output                  [1:0] m_axi_data_arburst,
    output                        m_axi_data_arlock,
    output                  [3:0] m_axi_data_arcache,
    output                  [2:0] m_axi_data_arprot,
    output                  [3:0] m_axi_data_arqos,
    output                        m_axi_data_arvalid,
    input                         m_axi_data_arready,
    input                         m_axi_data_rid,
    input      [8*DATA_BYTES-1:0] m_axi_data_rdata,
    input                   [1:0] m_axi_data_rresp,
    input                         m_axi_data_rlast,
    input                         m_axi_data_rvalid,
    output                        m_axi_data_rready,

    output                        m_axi_data_awid,
    output                 [31:0] m_axi_data_awaddr,
    output                  [7:0] m_axi_data_awlen,
    output                  [2:0] m_axi_data_awsize,
    output                  [1:0] m_axi_data_awburst,
    output                        m_axi_data_awlock,
    output                  [3:0] m_axi_data_awcache,
    output                  [2:0] m_axi_data_awprot,
    output                  [3:0] m_axi_data_awqos,
    output reg                    m_axi_data_awvalid,
    input                         m_axi_data_awready,
    output     [8*DATA_BYTES-1:0] m_axi_data_wdata,
    output       [DATA_BYTES-1:0] m_axi_data_wstrb,
    output                        m_axi_data_wlast,
    output reg                    m_axi_data_wvalid,
    input                         m_axi_data_wready,
    input                         m_axi_data_bid,
    input                   [1:0] m_axi_data_bresp,
    input                         m_axi_data_bvalid,
    output                        m_axi_data_bready
);

  reg [31:0] source, program_length, window_base, window_bytes, layer, cycles;
  reg busy, done, fault;
  reg [7:0] taken, given;
  reg [8*DATA_BYTES-1:0] words [0:BEATS-1];

  assign {m_axi_fetch_arid, m_axi_fetch_arlock, m_axi_fetch_arcache, m_axi_fetch_arprot, m_axi_fetch_arqos} = 0;
  assign m_axi_fetch_araddr = source;
  assign m_axi_fetch_arlen = BEATS - 1;
  assign m_axi_fetch_arsize = $clog2(DATA_BYTES);
  assign m_axi_fetch_arburst = 1;
  assign m_axi_fetch_rready = 1;

  assign {m_axi_data_arid, m_axi_data_arlock, m_axi_data_arcache, m_axi_data_arprot, m_axi_data_arqos} = 0;
  assign m_axi_data_araddr = 0;
  assign m_axi_data_arlen = 0;
  assign m_axi_data_arsize = 0;
  assign m_axi_data_arburst = 1;
  assign m_axi_data_arvalid = 0;
  assign m_axi_data_rready = 1;

  assign {m_axi_data_awid, m_axi_data_awlock, m_axi_data_awcache, m_axi_data_awprot, m_axi_data_awqos} = 0;
  assign m_axi_data_awaddr = window_base;
  assign m_axi_data_awlen = BEATS - 1;
  assign m_axi_data_awsize = $clog2(DATA_BYTES);
  assign m_axi_data_awburst = 1;
  assign m_axi_data_wdata = words[given];
  assign m_axi_data_wstrb = {DATA_BYTES{1'b1}};
  assign m_axi_data_wlast = given == BEATS - 1;
  assign m_axi_data_bready = 1;

  wire write = s_axil_awvalid & s_axil_wvalid & ~s_axil_bvalid;
  assign s_axil_awready = write;
  assign s_axil_wready = write;
  assign s_axil_bresp = 0;
  assign s_axil_arready = s_axil_arvalid & ~s_axil_rvalid;
  assign s_axil_rresp = 0;

  always @(posedge clk) begin
    if (s_axil_bready) s_axil_bvalid <= 0;
    if (s_axil_rready) s_axil_rvalid <= 0;

    if (busy) begin
      cycles <= cycles + 1;
      if (m_axi_fetch_arready) m_axi_fetch_arvalid <= 0;
      if (m_axi_fetch_rvalid) begin
        words[taken] <= m_axi_fetch_rdata;
        taken <= taken + 1;
        if (m_axi_fetch_rlast) {m_axi_data_awvalid, m_axi_data_wvalid} <= 2'b11;
      end
      if (m_axi_data_awvalid & m_axi_data_awready) m_axi_data_awvalid <= 0;
      if (m_axi_data_wvalid & m_axi_data_wready) begin
        given <= given + 1;
        if (m_axi_data_wlast) m_axi_data_wvalid <= 0;
      end
      if (cycles + 1 == program_length | &program_length & m_axi_data_bvalid | window_bytes == 0) begin
        busy <= 0;
        done <= window_bytes != 0;
        fault <= window_bytes == 0;
        irq <= 1;
      end
    end

    if (write) begin
      s_axil_bvalid <= 1;
      case (s_axil_awaddr)
        12'h010: begin
          {done, fault, irq} <= 0;
          if (s_axil_wdata[0]) begin
            {busy, m_axi_fetch_arvalid} <= 2'b11;
            {cycles, taken, given} <= 0;
          end
        end
        12'h020: source <= s_axil_wdata;
        12'h024: program_length <= s_axil_wdata;
        12'h028: window_base <= s_axil_wdata;
        12'h02c: window_bytes <= s_axil_wdata;
        12'h038: layer <= s_axil_wdata;
        default: ;
      endcase
    end

    if (s_axil_arready) begin
      s_axil_rvalid <= 1;
      case (s_axil_araddr)
        12'h000: s_axil_rdata <= "HWSM";
        12'h004: s_axil_rdata <= {version};
        12'h014: s_axil_rdata <= {fault, done, busy};
        12'h018: s_axil_rdata <= fault ? 32'h1007_0043 : 0;
        12'h030: s_axil_rdata <= cycles;
        12'h034: s_axil_rdata <= 0;
        // Every total of a layer reads as its own address, and the layer above that.
        default: s_axil_rdata <= s_axil_araddr[2] ? layer : {20'b0, s_axil_araddr};
      endcase
    end

    if (rst) begin
      {busy, done, fault, irq, s_axil_bvalid, s_axil_rvalid} <= 0;
      {m_axi_fetch_arvalid, m_axi_data_awvalid, m_axi_data_wvalid} <= 0;
    end
  end
endmodule
